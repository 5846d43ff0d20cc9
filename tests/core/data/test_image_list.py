from pathlib import Path

import pytest

from caffelite.core.data.image_list import ListedImage, read_image_list
from caffelite.core.errors import DataError


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        (tmp_path / "list.txt").write_bytes(text)
        return read_image_list(tmp_path / "list.txt")

    return write_and_read


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
