"""Boxes in an image, through the public door; windows of images are in test_detect.py."""

import shutil
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

ROOT = Path(__file__).resolve().parents[2]
ASTRONAUT = ROOT / "docs/notebooks/astronaut.jpg"
MTCNN = ROOT / "models/mtcnn"


def test_the_face_of_the_astronaut(program, folder):
    result = program("detect", str(ASTRONAUT), "faces.png", f"--model_def={MTCNN}")
    assert result.status == 0, result.err
    (line,) = result.out.splitlines()
    name, score, *numbers = line.split()
    assert (name, len(numbers)) == ("face", 9) and float(score) > 0.999
    xmin, ymin, xmax, ymax = map(float, numbers[:4])
    assert 175 < xmin < 190 and 55 < ymin < 70 and 260 < xmax < 275 and 165 < ymax < 180
    assert "Found 1 boxes" in result.err and result.texts[-1] == "Saved to faces.png"
    before, after = cv2.imread(str(ASTRONAUT)), cv2.imread("faces.png")
    rows, columns = np.nonzero((before != after).any(axis=2))
    assert 170 < columns.min() and columns.max() < 320 and 40 < rows.min() and rows.max() < 180


def test_names_of_labels_and_confidence(program, folder):
    Path("names.txt").write_text("somebody\n")
    words = ["detect", str(ASTRONAUT), "faces.jpg", f"--model_def={MTCNN}"]
    assert program(*words, "--labels=names.txt").out.startswith("somebody 1.0000 ")
    assert program(*words, "--confidence=1").out == ""
    assert program(*words, "--smallest=300").out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.jpg", "a.png", f"--model_def={MTCNN}"], "nowhere.jpg"),
        (["a.prototxt", "a.png", f"--model_def={MTCNN}"], "are no image that OpenCV knows"),
        ([str(ASTRONAUT), "a.csv", f"--model_def={MTCNN}"], "give a file whose name ends in .txt or .csv"),
        ([str(ASTRONAUT), "a.bmp", f"--model_def={MTCNN}"], "OUTPUT is a.bmp; give a file whose name ends in .png"),
        ([str(ASTRONAUT), "a.png"], "Need a model definition to detect with"),
        ([str(ASTRONAUT), "a.png", "--model_def=."], ". is no folder with det1.prototxt, det1.caffemodel and so on"),
        ([str(ASTRONAUT), "a.png", f"--model_def={MTCNN}", "--pretrained_model=x"], "leave --pretrained_model out"),
        ([str(ASTRONAUT), "a.png", f"--model_def={MTCNN}", "--smallest=3"], "MTCNN sees none below 12"),
        ([str(ASTRONAUT), "a.png", f"--model_def={MTCNN}", "--labels=empty.txt"], "empty.txt: no names; give a file"),
        ([str(ASTRONAUT), "no/a.png", f"--model_def={MTCNN}"], "no/a.png"),
    ],
)
def test_refuses(words, message, program, folder):
    shutil.copy(MTCNN / "det1.prototxt", "a.prototxt")
    Path("empty.txt").write_text("\n")
    result = program("detect", *words)
    assert result.status == 1
    assert message in result.error
