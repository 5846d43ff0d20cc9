import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.data.batch import Batch, ImageBatches
from caffelite.core.data.database import LabelledImages
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import DataError, LayerError
from caffelite.proto.caffe_pb2 import TransformationParameter


class Images:
    """A source of given images; the label of image k is k."""

    def __init__(self, *images):
        self.images, self.readings = images, 0
        self.count = len(images)

    def get_state(self):
        return {"readings": self.readings}

    def set_state(self, state):
        self.readings = state.pop("readings")
        assert not state

    def read(self, positions):
        self.readings += 1
        numbers = [k % self.count for k in positions]
        return LabelledImages([self.images[k] for k in numbers], numbers, [b"%04d" % k for k in numbers])


def image(*shape):
    return np.zeros(shape, np.uint8)


def batches(*images, size=2, rank=0, count=1, **fields):
    transformer = DataTransformer(TransformationParameter(**fields), False, np.dtype(np.float32), 1)
    return ImageBatches(Images(*images), transformer, size, rank, count)


def loaded(of, blobs=2):
    """A batch, filled by one thread."""
    batch = Batch([Blob() for _ in range(blobs)])
    work = of.load(batch)
    for piece in work.pieces():
        piece()
    if work.finish():
        return batch
    work.restart()
    return loaded(of, blobs)


def test_solvers_share_the_records_and_the_state_is_the_next_position():
    of = batches(*[image(1, 2, 2)] * 5, rank=1, count=3)
    first, second = loaded(of), loaded(of)
    assert first.blobs[1].data.tolist() == [1, 4] and first.state == {"position": 5, "readings": 1}
    assert second.blobs[1].data.tolist() == [7 % 5, 10 % 5] and second.state == {"position": 11, "readings": 2}
    of.set_state(first.state)
    again = loaded(of)
    assert again.blobs[1].data.tolist() == [7 % 5, 10 % 5] and again.state == second.state


def test_labels_are_left_out_without_a_second_blob():
    assert loaded(batches(image(3, 2, 2)), blobs=1).blobs[0].shape == (2, 3, 2, 2)


def test_records_of_other_channels_are_named():
    with pytest.raises(LayerError, match=r'record "0001" is an image of 1 channels; .* has 3; .* force_color: true'):
        loaded(batches(image(3, 4, 4), image(1, 4, 4)))


def test_records_of_another_size_are_named():
    with pytest.raises(LayerError, match=r'record "0001" is an image of 3 4 5 \(60\); .* equally .* set crop_size'):
        loaded(batches(image(3, 4, 4), image(3, 4, 5)))
    assert loaded(batches(image(3, 4, 4), image(3, 4, 5), crop_size=3)).blobs[0].shape == (2, 3, 3, 3)


class Damaged(Images):
    """A source without a decoder, whose records 1 and 3 cannot be read."""

    def read(self, positions):
        records = super().read(positions)
        for label in records.labels:
            if label in (1, 3):
                raise DataError(f"record {label} is bad")
        return records


def test_a_source_that_decodes_is_asked_for_one_record_at_a_time_where_bad_ones_are_left_out():
    transformer = DataTransformer(TransformationParameter(), False, np.dtype(np.float32), 1)
    of = ImageBatches(Damaged(*[image(1, 2, 2)] * 5), transformer, 4, skip_bad=True)
    assert of.image_shape() == (1, 2, 2)
    assert loaded(of).blobs[1].data.tolist() == [0, 2, 4, 0]
    second = loaded(of)
    assert second.blobs[1].data.tolist() == [2, 4, 0, 2]
    assert (second.state["position"], second.state["skipped"]) == (13, 5)
    with pytest.raises(DataError, match="record 1 is bad"):
        loaded(ImageBatches(Damaged(*[image(1, 2, 2)] * 5), transformer, 4))
