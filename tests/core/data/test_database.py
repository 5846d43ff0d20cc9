import numpy as np
import pytest

from caffelite.core.data.database import Database, find_database
from caffelite.core.data.datum import DatumReader, raw_datum
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import DataError


@pytest.fixture
def database(tmp_path):
    """Seven images of 1 x 1 x 2; image k holds k and k + 1, its label is 10 k."""
    pixels = [np.array([[[k, k + 1]]], np.uint8) for k in range(7)]
    write_lmdb(tmp_path / "db", ((b"%02d" % k, raw_datum(image, 10 * k)) for k, image in enumerate(pixels)))

    def open_it(**options):
        return Database(LmdbReader(tmp_path / "db"), DatumReader("db", **options))

    return open_it


@pytest.mark.parametrize("options", [{}, {"force_gray": True}], ids=["at once", "one by one"])
@pytest.mark.parametrize(
    "readings",
    [
        [range(3), range(3, 5)],
        [range(4), range(2, 4)],  # back
        [range(1, 6, 2), range(7, 12, 2)],  # one of two solvers, over the end
        [range(5), range(20, 23)],  # far ahead: other solvers' records lie between
        [range(2), range(1)],
    ],
)
def test_records_are_those_of_the_positions(database, options, readings):
    source = database(**options)
    for positions in readings:
        images, labels, keys = source.read(positions)
        assert keys == [b"%02d" % (k % 7) for k in positions]
        assert labels == [10 * (k % 7) for k in positions]
        assert [image.ravel().tolist() for image in images] == [[k % 7, k % 7 + 1] for k in positions]


def test_a_resumed_run_does_not_read_what_was_passed(database, monkeypatch):
    asked = []
    for name in ("read", "read_rows"):
        read = getattr(LmdbReader, name)
        monkeypatch.setattr(LmdbReader, name, lambda self, n, read=read: asked.append(n) or read(self, n))
    source = database()
    source.read(range(1))
    assert source.read(range(7 * 10**6 + 2, 7 * 10**6 + 8, 3)).keys == [b"02", b"05"]
    assert source.read(range(7 * 10**6 + 8, 7 * 10**6 + 14, 3)).keys == [b"01", b"04"]
    assert asked == [1, 4, 6]


def test_a_resumed_run_does_not_say_that_the_data_started_over(tmp_path, database, caplog):
    caplog.set_level("INFO")
    source = Database(LmdbReader(database()._reader._folder, log_restart=True), DatumReader("db"))
    source.read(range(9, 14))
    assert not caplog.messages
    source.read(range(14, 16))
    assert caplog.messages == ["Restarting data prefetching from start."]


def test_the_number_of_records_and_no_state(database):
    source = database()
    assert source.count == 7
    source.set_state(source.get_state())
    source.close()


def test_a_missing_database_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no such file \(tried .*none\); an LMDB or LevelDB folder is expected"):
        find_database("none", tmp_path)
    with pytest.raises(DataError, match="make it with `caffelite dataset mnist`"):
        find_database("data/mnist_train_lmdb", tmp_path)
