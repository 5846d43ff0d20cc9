import sys

import pytest

from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError


def test_is_the_package_for_this_python():
    assert plyvel().__name__ == ("plyvel_next" if sys.version_info >= (3, 13) else "plyvel")


def test_names_the_extra_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    monkeypatch.setitem(sys.modules, "plyvel_next", None)
    with pytest.raises(DataError, match=r"^LevelDB databases are .* by plyvel: pip install 'caffelite\[leveldb\]'$"):
        plyvel()
