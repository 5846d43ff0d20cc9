import pytest

from caffelite.boxes.box import Box
from caffelite.core.errors import UsageError
from caffelite.tools.detect_boxes import lines_of, read_names


def test_names_a_line(tmp_path):
    (tmp_path / "names.txt").write_text("background\ncat \n\ndog\n")
    assert read_names(tmp_path / "names.txt") == ["background", "cat", "", "dog"]


def test_ssds_labelmap(tmp_path):
    (tmp_path / "labelmap.prototxt").write_text(
        'item { name: "none" label: 0 display_name: "background" }\nitem {\n  display_name: "dog"\n  label: 2\n}\n'
    )
    assert read_names(tmp_path / "labelmap.prototxt") == ["background", "1", "dog"]


def test_names_are_not_read_of_a_binary_file(tmp_path):
    (tmp_path / "names.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(UsageError, match=r"names\.png: this is no text file; give one with a name a line"):
        read_names(tmp_path / "names.png")


def test_lines():
    boxes = [Box(1, 0.98765, 1, 2.25, 3, 4), Box(5, 0.5, 1, 2, 3, 4, ((6, 7),))]
    assert lines_of(boxes, ["cat", "dog"]) == ["dog 0.9877 1.0 2.2 3.0 4.0", "5 0.5000 1.0 2.0 3.0 4.0  6.0,7.0"]
