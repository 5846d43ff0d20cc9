import h5py
import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.data import row_batches
from caffelite.core.data.batch import Batch
from caffelite.core.data.hdf5_rows import Hdf5Rows
from caffelite.core.data.hdf5_source import Hdf5Source
from caffelite.core.data.row_batches import RowBatches
from caffelite.core.data.transformer import DataTransformer
from caffelite.proto.caffe_pb2 import TransformationParameter

SIZES = (5, 9)


@pytest.fixture
def source(tmp_path):
    """14 images of 1 x 2 x 3 whose first value, and whose number, is that of the row."""
    files = []
    for index, size in enumerate(SIZES):
        first = sum(SIZES[:index])
        with h5py.File(tmp_path / f"{index}.h5", "w") as file:
            numbers = np.arange(first, first + size)
            file["image"] = (numbers[:, np.newaxis] + np.arange(6)).reshape(size, 1, 2, 3).astype(np.int16)
            file["number"] = numbers
        files.append(Hdf5Rows(tmp_path / f"{index}.h5", ["image", "number"]))
    made = Hdf5Source(files, False, 1, "rows")
    yield made
    made.close()


def loaded(batches, count):
    batch = Batch([Blob(dtype=np.float32), Blob(dtype=np.float32)])
    found = []
    for _ in range(count):
        batches.load(batch)
        found.append([*(blob.data.copy() for blob in batch.blobs), dict(batch.state)])
    return found


@pytest.mark.parametrize("part", [1, 50, 1 << 20])
def test_a_batch_is_the_same_in_any_parts(source, part, monkeypatch):
    monkeypatch.setattr(row_batches, "PART_BYTES", part)
    for at, (image, number, state) in enumerate(loaded(RowBatches(source, None, [(1, 2, 3), ()], 4), 9)):
        expected = np.arange(4 * at, 4 * at + 4) % 14
        assert number.tolist() == expected.tolist()
        np.testing.assert_array_equal(image.reshape(4, 6), expected[:, np.newaxis] + np.arange(6))
        assert state == {"position": 4 * at + 4, "rows": 14}


def test_a_batch_begins_where_the_state_says(source):
    batches = RowBatches(source, None, [(1, 2, 3), ()], 3, 1, 2)
    first, second = loaded(batches, 2)
    assert [first[1].tolist(), second[1].tolist()] == [[1, 3, 5], [7, 9, 11]]
    batches.set_state(first[2])
    assert loaded(batches, 1)[0][1].tolist() == [7, 9, 11]


def test_the_first_blob_is_transformed(source, monkeypatch):
    param = TransformationParameter(crop_size=2, mirror=True, scale=0.5)
    whole = None
    for part in (1, 1 << 20):
        monkeypatch.setattr(row_batches, "PART_BYTES", part)
        transformer = DataTransformer(param, True, np.dtype(np.float32), 7)
        ((image, number, _),) = loaded(RowBatches(source, transformer, [(1, 2, 2), ()], 40), 1)
        np.testing.assert_array_equal(number, np.arange(40) % 14)
        left = np.minimum(image[:, 0, 0, 0], image[:, 0, 0, 1]) * 2 - number  # columns 0 and 1, or 1 and 2
        assert set(left) == {0, 1}
        assert set(image[:, 0, 0, 1] - image[:, 0, 0, 0]) == {-0.5, 0.5}  # some are mirrored
        whole = image if whole is None else whole
        np.testing.assert_array_equal(image, whole)
