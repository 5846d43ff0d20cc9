import pytest

from caffelite.core.errors import DataError
from caffelite.databases.opening import opened


def test_by_what_lies_there(mixed, rows, tmp_path):
    for path, kind, count in ((mixed, "LMDB", 6), (rows("a.h5", 3), "HDF5", 3)):
        with opened(path) as contents:
            assert (contents.kind, contents.count, contents.path) == (kind, count, path)
    with pytest.raises(DataError, match="there is no database"), opened(tmp_path / "b"):
        pass
