import numpy as np
import pytest

from caffelite.core.data import plain_records
from caffelite.core.data.datum import DatumReader, image_datum, raw_datum
from caffelite.core.data.plain_records import PlainRecords
from caffelite.proto.caffe_pb2 import Datum

PIXELS = np.arange(3 * 2 * 4 * 5, dtype=np.uint8).reshape(3, 2, 4, 5)


def values(labels=(3, 0, 9), **fields):
    return [
        Datum(channels=2, height=4, width=5, data=image.tobytes(), label=label, **fields).SerializeToString()
        for image, label in zip(PIXELS, labels, strict=True)
    ]


@pytest.mark.parametrize("fields", [{}, {"encoded": False}])
@pytest.mark.parametrize("labels", [(3, 0, 9), (300, 999, 128), (-1, -2, -3)])
def test_reads_what_the_other_reader_reads(labels, fields):
    pixels, found = PlainRecords().read(values(labels, **fields))
    np.testing.assert_array_equal(pixels, PIXELS)
    assert found == list(labels)
    one_by_one = [DatumReader("").read(b"", value) for value in values(labels, **fields)]
    assert [label for _, label in one_by_one] == found


def test_records_without_a_label():
    bare = Datum(channels=1, height=1, width=2, data=b"\1\2").SerializeToString()
    pixels, labels = PlainRecords().read([bare, bare])
    assert pixels.tolist() == [[[[1, 2]]], [[[1, 2]]]]
    assert labels == [0, 0]


def test_unknown_fields_behind_the_pixels_do_no_harm():
    known, extra = values()[0], bytes.fromhex("d00f01")  # field 250
    assert PlainRecords().read([known + extra])[1] == [3]


def test_another_size_is_learnt():
    reader = PlainRecords()
    assert reader.read(values()) is not None
    small = raw_datum(np.ones((1, 1, 1), np.uint8), 5)
    assert reader.read([small])[0].shape == (1, 1, 1, 1)
    assert reader.read(values())[0].shape == (3, 2, 4, 5)


@pytest.mark.parametrize(
    "other",
    [
        Datum(channels=2, height=4, width=5, data=bytes(40), label=1000).SerializeToString(),  # longer
        Datum(channels=2, height=5, width=4, data=bytes(40), label=1).SerializeToString(),
    ],
)
def test_leaves_records_that_differ_to_the_other_reader(other):
    reader = PlainRecords()
    assert reader.read([*values(), other]) is None
    assert reader.read([other, *values()]) is None
    assert reader.read([other]) is not None


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\xff",
        Datum(channels=2, height=4, width=5, float_data=[0] * 40).SerializeToString(),
        Datum(channels=2, height=4, width=5, data=bytes(39)).SerializeToString(),
        Datum(channels=2, height=4, width=5, data=bytes(41)).SerializeToString(),
        Datum(data=bytes(40), label=1, encoded=True).SerializeToString(),
        Datum(channels=2, height=4, width=5, data=bytes(40), encoded=True).SerializeToString(),
        Datum(channels=2, height=4, width=5, data=bytes(40)).SerializeToString() + b"\x08\x01",  # channels again
        Datum(channels=2, height=4, width=5, data=bytes(40)).SerializeToString() + b"\x28\xff",  # ends in a number
        Datum(channels=2**31 - 1, height=2**31 - 1, width=4).SerializeToString(),
        Datum(label=1).SerializeToString() + Datum(channels=2, height=4, width=5, data=bytes(40)).SerializeToString(),
    ],
)
def test_leaves_everything_else_to_the_other_reader(other):
    reader = PlainRecords()
    assert reader.read([other]) is None
    assert reader.read([*values(), other]) is None
    assert reader.read([other, *values()]) is None
    assert reader.read(values()) is not None


def test_remembers_a_bounded_number_of_labels(monkeypatch):
    monkeypatch.setattr(plain_records, "MAX_TAILS", 4)
    reader = PlainRecords()
    for label in range(100):
        assert reader.read(values((label, 1, 2)))[1] == [label, 1, 2]
    assert len(reader._labels) <= 4


def test_several_labels_a_record():
    pixels, labels = PlainRecords().read(
        [image_datum(image.transpose(1, 2, 0), (float(index), 0.5)) for index, image in enumerate(PIXELS)]
    )
    np.testing.assert_array_equal(pixels, PIXELS)
    assert labels == [(0, 0.5), (1, 0.5), (2, 0.5)]
