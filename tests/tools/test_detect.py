import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.tools.detect import read_images, read_windows, write_detections

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a b.png", "c,d.png"):
        assert cv2.imwrite(name, np.zeros((3, 4), np.uint8))
    return tmp_path


def test_quoted_names_spaces_other_columns_and_a_byte_order_mark(folder):
    (folder / "w.csv").write_text(
        '\ufeffxmin,note,filename,ymin,xmax,ymax\n1, x ,"c,d.png",2,3.5,4\n5,,a b.png,6,7,8\n9,,"c,d.png",1,2,3\n',
        encoding="utf-8",
    )
    assert read_windows(folder / "w.csv") == [("c,d.png", [[2, 1, 4, 3.5], [1, 9, 3, 2]]), ("a b.png", [[6, 5, 8, 7]])]
    assert read_images(folder / "w.csv") == ["c,d.png", "a b.png"]


def test_images_of_a_text_are_windows(folder):
    (folder / "images.TXT").write_text("a b.png \n\nc,d.png\na b.png\n")
    assert read_windows(folder / "images.TXT") == [("a b.png", [(0, 0, 3, 4)]), ("c,d.png", [(0, 0, 3, 4)])]


def test_lines_are_counted_as_an_editor_does(folder):
    (folder / "w.csv").write_text("filename,ymin,xmin,ymax,xmax\na b.png,1,2,3,4\n\na b.png,1,2,,4\n")
    with pytest.raises(UsageError, match=r"w\.csv:4: ymin, xmin, ymax or xmax is no number"):
        read_windows(folder / "w.csv")


def test_a_table_reads_back(folder):
    found = [{"filename": "c,d.png", "window": (1, 2.5, 3, 4), "prediction": np.float32([[[0.1]], [[1e-9]]])}]
    write_detections(folder / "found.csv", found)
    assert (folder / "found.csv").read_text() == (
        'filename,ymin,xmin,ymax,xmax,class0,class1\n"c,d.png",1,2.5,3,4,0.100000001,9.99999972e-10\n'
    )
