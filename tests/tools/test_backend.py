import pytest

from caffelite.core.errors import DataError, UsageError
from caffelite.tools.backend import require_lmdb, require_new


def test_lmdb_only():
    require_lmdb("lmdb")
    with pytest.raises(UsageError, match="the backend leveldb is not here yet; use lmdb"):
        require_lmdb("leveldb")
    with pytest.raises(UsageError, match='Unknown database backend "rocksdb"; use lmdb'):
        require_lmdb("rocksdb")


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_a_new_database_has_a_new_name(tmp_path, make):
    require_new(tmp_path / "db")
    getattr(tmp_path / "db", make)()
    with pytest.raises(DataError, match="mkdir .*db failed: it is already there"):
        require_new(tmp_path / "db")


def test_a_name_that_cannot_be_looked_at(tmp_path):
    with pytest.raises(UsageError, match="it cannot be looked at"):
        require_new(tmp_path / ("x" * 300))
