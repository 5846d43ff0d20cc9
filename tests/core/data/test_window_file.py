import pytest

from caffelite.core.data.window_file import read_window_file
from caffelite.core.errors import DataError

FILE = """# 0
images/a.jpg
3
375
500
3
5 0.7 1 2 30 40
6 0.5 0 0 9 9
7 0.3 0 0 9 9
# 1
b#1.jpg 3 4 5 1
8 1e-1 -1 +2 3 4
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, fg=0.6, bg=0.3):
        (tmp_path / "windows.txt").write_text(text)
        return read_window_file(tmp_path / "windows.txt", fg, bg)

    return write_and_read


def test_windows_by_their_overlap(read):
    """Case 58 of the specification: 0.7 is foreground, 0.5 neither, 0.3 as float32 not below 0.3, 0.1 background."""
    found = read(FILE)
    assert found.paths == ["images/a.jpg", "b#1.jpg"]
    assert found.channels == 3
    assert [part.tolist() for part in found.foreground] == [[0], [5], [[1, 2, 30, 40]]]
    assert [part.tolist() for part in found.background] == [[1], [0], [[-1, 2, 3, 4]]]


def test_thresholds_that_leave_none_out(read):
    found = read(FILE, fg=0.5, bg=0.5)
    assert found.foreground.labels.tolist() == [5, 6] and found.background.images.tolist() == [0, 1]
    found = read(FILE, fg=0.6, bg=2.0)
    assert found.foreground.labels.tolist() == [5] and found.background.labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("text", ["", " \n"])
def test_no_images(read, text):
    assert read(text).paths == []
    assert read(text).foreground.total == 0


@pytest.mark.parametrize("behind", ["", "\n", " \n\n"])
def test_an_image_without_windows(read, behind):
    found = read("# 0 a.jpg 3 4 5 0" + behind)
    assert found.paths == ["a.jpg"]
    assert found.foreground.total == found.background.total == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# 0", "#0", r':1: an image begins with "#", not with "#0"'),
        ("# 0", "# 1", r":1: image 1 is the 1\. of the file: number them 0, 1"),
        ("# 1\n", "# 0\n", r":10: image 0 is the 2\. of the file"),
        ("# 1\n", "# x\n", r':10: "x" is no index of an image'),
        ("3\n375", "no\n375", r':3: "no" is no number of channels of an image'),
        ("500\n3", "500\n2", r":6: image 0 has 2 windows, but 3 follow"),
        ("500\n3", "500\n-3", r':6: "-3" is no number of windows of an image'),
        ("500\n3", "500\n99999999999999999999", r':6: "99999999999999999999" is no number of windows'),
        ("7 0.3 0 0 9 9\n", "", r":6: image 0 has 3 windows, but 2 follow"),
        ("6 0.5 0 0", "six 0.5 0 0", r':8: class index is "six", which is no whole number'),
        ("6 0.5 0 0", "6 half 0 0", r':8: overlap is "half", which is no number'),
        ("6 0.5 0 0", "6 nan 0 0", r':8: overlap is "nan"'),
        ("6 0.5 0 0", "6 0.5 0.5 0", r':8: x1 is "0.5", which is no whole number'),
        ("6 0.5 0 0 9 9", "6 0.5 0 0 9", r':9: class index is "0.3", which is no whole number'),
        ("7 0.3 0 0 9 9", "7 0.3 0 0 9", r":9: the last window is cut off"),
        ("5 0.7 1 2", "0 0.7 1 2", r":7: foreground of class 0 or less"),
        ("5 0.7 1 2", "5 0.7 31 2", r":7: x2 or y2 is less than x1 or y1"),
        ("8 1e-1 -1", "8 1e-1 9999999999", r":12: a number of more than 32 bits"),
        ("8 1e-1 -1", "8 1e400 -1", r":12: a number of more than 32 bits"),
        ("b#1.jpg 3 4 5 1\n8 1e-1 -1 +2 3 4", "b.jpg 3", r":10: the file ends within an image's `# index"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(read, old, new, message):
    assert old in FILE
    with pytest.raises(DataError, match=rf"windows\.txt({message})"):
        read(FILE.replace(old, new, 1))


def test_corners_of_windows_that_are_left_out_may_be_anything(read):
    assert read(FILE.replace("6 0.5 0 0 9 9", "6 0.5 9 9 0 0")).foreground.total == 1


def test_a_list_of_images_is_not_cut_short_but_no_window_file(read):
    """Too short for a header, which is where the end of the file was told."""
    with pytest.raises(DataError, match=r'windows\.txt:1: an image begins with "#", not with "a.png"$'):
        read("a.png 0\nb.png 1\n")
