import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.wire import FIXED32, LENGTH, VARINT, WireFile


@pytest.fixture
def wire(tmp_path):
    def make(data):
        path = tmp_path / "file"
        path.write_bytes(data)
        return WireFile(path, "caffemodel")

    return make


def test_fields_of_all_kinds_and_unknown_numbers(wire):
    file = wire(b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x02ab" + b"\x25" + bytes(4) + b"\xa2\x86\x80\x10\x00")
    found = [(field.number, field.kind, field.value) for field in file.fields()]
    assert found == [(1, VARINT, 150), (2, 1, 0), (3, LENGTH, 0), (4, FIXED32, 0), (0x400064, LENGTH, 0)]
    assert file.text(list(file.fields())[2]) == "ab"


def test_single_numbers_in_a_row_count_as_one_field(wire):
    values = np.arange(1000, dtype="<f4")
    row = b"".join(b"\x2d" + value.tobytes() for value in values)
    packed = b"\x2a\x08" + values[:2].tobytes()
    first, second, third = wire(row + packed + row[:5]).fields()
    file = wire(row + packed + row[:5])
    np.testing.assert_array_equal(file.numbers(first, "<f4"), values)
    np.testing.assert_array_equal(file.numbers(second, "<f4"), values[:2])
    np.testing.assert_array_equal(file.numbers(third, "<f4"), values[:1])


@pytest.mark.parametrize("count", [1, 2, 16, 17, 18, 48, 49, 50])  # a run is looked at in blocks of 16, 32, ... values
def test_a_run_of_single_numbers_ends_with_its_message(wire, count):
    """What follows a message may begin with the byte that a further value of the run would begin with."""
    values = np.arange(count + 3, dtype="<f4")
    file = wire(b"".join(b"\x2d" + value.tobytes() for value in values))
    (field,) = file.fields(0, 5 * count)
    assert (field.start, field.end) == (0, 5 * count)
    np.testing.assert_array_equal(file.numbers(field, "<f4"), values[:count])
    for cut in range(1, 5):
        fields = file.fields(0, 5 * count + cut)
        assert next(fields).end == 5 * count
        text = f"a field at byte {5 * count} should have 5 bytes, but only {cut} are left"
        with pytest.raises(WeightsError, match=text):
            next(fields)


@pytest.mark.parametrize("count", [15, 16, 17, 48, 49])
def test_a_run_of_single_numbers_ends_where_another_field_begins(wire, count):
    file = wire(b"\x2d\0\0\0\0" * count + b"\x35\0\0\0\0" + b"\x2d\0\0\0\0" * 20)
    assert [(f.number, f.end) for f in file.fields()] == [(5, 5 * count), (6, 5 * count + 5), (5, 5 * count + 105)]


def test_a_tag_of_two_bytes_before_a_single_number(wire):
    file = wire(b"\x85\x01" + np.float32(3).tobytes())
    (field,) = file.fields()
    assert file.numbers(field, "<f4").tolist() == [3]


def test_integers_may_be_negative_packed_or_single(wire):
    file = wire(b"\x08\x05" + b"\x0a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x07")
    assert [file.integers(field) for field in file.fields()] == [[5], [-1, 7]]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x0a\x05abc\x80", "a field at byte 2 should have 5 bytes, but only 4 are left"),
        (b"\x08" + b"\x80" * 20, "a number at byte 1 does not end"),
        (b"\x0b\x01", "there is no field at byte 0"),
        (b"\x00\x01", "there is no field at byte 0"),
        (b"\x2d\x01\x02", "a field at byte 0 should have 5 bytes, but only 3 are left"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a field at byte 11 should have 18446744073709551615 bytes"),
    ],
)
def test_damage_is_named_with_its_place(wire, data, text):
    with pytest.raises(WeightsError, match=f"file: {text}.*; the file is damaged"):
        list(wire(data).fields())


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"File not found: .*nowhere"):
        WireFile(tmp_path / "nowhere", "caffemodel")
    for path, kind in ((tmp_path, "a folder"), ("/dev/zero", "a device, pipe or socket")):
        with pytest.raises(WeightsError, match=rf"cannot be read \(it is {kind}\)"):
            WireFile(path, "caffemodel")


def test_another_file_is_named_for_what_it_is(wire):
    with pytest.raises(WeightsError, match=r"this is a text file .*, not a caffemodel"):
        wire(b'name: "net"\nlayer { }\n')


def test_integers_at_the_limits_of_their_size(wire):
    file = wire(b"\x08" + b"\x80" * 8 + b"\x40" + b"\x08" + b"\xff" * 9 + b"\x7f")  # 2 ** 62, and 70 bits set
    assert [file.integers(field) for field in file.fields()] == [[1 << 62], [-1]]
    with pytest.raises(WeightsError, match="a number at byte 1 does not end"):
        list(wire(b"\x08" + b"\x80" * 10 + b"\x01").fields())


def test_numbers_of_another_size_are_not_taken_apart(wire):
    file = wire((b"\x29" + bytes(8)) * 4)
    (field,) = file.fields()
    with pytest.raises(WeightsError, match="a field of 36 bytes at byte 0 does not hold 4-byte numbers"):
        file.numbers(field, "<f4")
