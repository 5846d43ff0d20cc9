from pathlib import Path

import pytest

from caffelite.core.data.image_list import ListedImage, first_path, read_image_list
from caffelite.core.errors import DataError


@pytest.fixture
def read_several(tmp_path):
    def write_and_read(text, label_count):
        (tmp_path / "list.txt").write_bytes(text)
        return read_image_list(tmp_path / "list.txt", label_count)

    return write_and_read


@pytest.fixture
def read(read_several):
    return lambda text: read_several(text, 0)


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        (b"a.jpg 3", "a.jpg", 3),
        (b"my cat.jpg 1", "my cat.jpg", 1),
        (b"a.jpg  3", "a.jpg ", 3),
        (b"a.jpg 3 ", "a.jpg 3", 0),
        (b"a.jpg", "a.jpg", 0),
        (b"a.jpg\t3", "a.jpg\t3", 0),
        (b"", "", 0),
        (b"a.jpg 3\r", "a.jpg", 3),
        (b"a.jpg 3.7", "a.jpg", 3),
        (b"a.jpg cat", "a.jpg", 0),
        (b"a.jpg -12", "a.jpg", -12),
        (b"a.jpg +5x", "a.jpg", 5),
        (b"\xc3\xa4\xff.jpg 1", "ä\udcff.jpg", 1),
    ],
)
def test_lines_as_caffe_reads_them(read, line, path, label):
    """The table of the specification, and bytes that are no UTF-8, which file names may have."""
    assert read(line + b"\n").images == [ListedImage(path, label)]


def test_the_end_of_the_last_line_may_be_missing(read):
    assert read(b"a 1\nb 2").images == read(b"a 1\nb 2\n").images == [("a", 1), ("b", 2)]
    assert read(b"").images == []
    assert read(b"a 1\n\n").images == [("a", 1), ("", 0)]


def test_tells_of_lines_that_look_like_mistakes(read, tmp_path):
    assert read(b"a 1\nb c.jpg -2\r\n").doubt == ""
    assert read(b"a 1\nb cat\nc 3.7\nd\n").doubt == (
        f'{tmp_path}/list.txt:2: no blank and whole number at the end of "b cat": label 0, and 2 more lines; '
        "a line is `path label`"
    )


def test_a_label_of_more_than_32_bits(read):
    assert read(b"a 2147483647\nb -2147483648").images[1].label == -(2**31)
    with pytest.raises(DataError, match=r"list.txt:2: the label 2147483648 needs more than the 32 bits"):
        read(b"a 1\nb 2147483648\n")


def test_a_device_has_no_end():
    with pytest.raises(OSError, match="a device, pipe or socket"):
        read_image_list(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("line", "path", "labels"),
    [
        (b"a.jpg 1 0 -1", "a.jpg", (1, 0, -1)),
        (b"my cat.jpg 1 0 -1", "my cat.jpg", (1, 0, -1)),
        (b"a.jpg\t0.5  1e3\t-.25 \r", "a.jpg", (0.5, 1000, -0.25)),
        (b" 7 1 2 3", " 7", (1, 2, 3)),
        (b"a.jpg 9 1 2 3", "a.jpg 9", (1, 2, 3)),
        (b"a.jpg 00000000000000000000000000000001 0 0", "a.jpg", (1, 0, 0)),
    ],
)
def test_several_labels_a_line(read_several, line, path, labels):
    assert read_several(b"b.jpg 0 0 0\n" + line + b"\n", 3).images == [("b.jpg", (0, 0, 0)), (path, labels)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"a.jpg 1 0", 'the line "a.jpg 1 0" has fewer than 3 labels; a line is `path label label label` with 3 numb'),
        (b"my cat.jpg 1 0", 'has the label "cat.jpg", which is no number of 32 bits'),
        (b"a.jpg 1 nan 0", 'has the label "nan", which is no number'),
        (b"a.jpg 1 1_0 0", 'has the label "1_0", which is no number'),
        (b"a.jpg 1 1e39 0", 'has the label "1e39", which is no number of 32 bits'),
        (b"", 'the line "" has fewer than 3 labels'),
    ],
)
def test_lines_without_the_labels_that_were_told(read_several, line, message):
    with pytest.raises(DataError, match=r"list\.txt:2: ") as caught:
        read_several(b"a.jpg 1 2 3\n" + line + b"\nb.jpg 1 2 3\n", 3)
    assert message in str(caught.value)


def test_blank_lines_at_the_end_are_no_images_where_labels_are_counted(read_several):
    assert read_several(b"a 1\n\n \r\n", 1).images == [("a", (1,))]


def test_a_number_of_more_digits_than_python_reads(read):
    with pytest.raises(DataError, match="needs more than the 32 bits"):
        read(b"a " + b"9" * 5000)


@pytest.mark.parametrize(
    ("text", "count", "path"), [(b"a b.jpg 3\nc 1", 0, "a b.jpg"), (b"a 3 4", 2, "a"), (b"", 2, "")]
)
def test_the_first_path_alone(tmp_path, text, count, path):
    (tmp_path / "list.txt").write_bytes(text)
    assert first_path(tmp_path / "list.txt", count) == path


def test_a_label_of_many_digits_takes_no_long(read_several):
    with pytest.raises(DataError, match="is no number"):
        read_several(b"a " + b"0" * 200000 + b"x", 1)
