"""The cascade on the photograph of find_a_face.py, and on images in which there is nothing."""

from pathlib import Path

import numpy as np
import pytest

import caffelite as caffe
from caffelite.boxes.mtcnn import MTCNN
from caffelite.core.errors import UsageError

pytest.importorskip("cv2")

ROOT = Path(__file__).resolve().parents[2]
NETS = ROOT / "models/mtcnn"
# Where one sees them in the picture, in pixels: eyes, nose, corners of the mouth.
POINTS = [(204, 101), (247, 103), (224, 128), (203, 140), (244, 142)]


@pytest.fixture(scope="module")
def mtcnn():
    return MTCNN(NETS)


@pytest.fixture(scope="module")
def astronaut():
    return caffe.io.load_image(str(ROOT / "docs/notebooks/astronaut.jpg"))


def test_finds_the_face_and_its_points(mtcnn, astronaut):
    (face,) = mtcnn.detect(astronaut)
    assert face.score > 0.999
    assert (180, 60) < (face.xmin, face.ymin) and (face.xmax, face.ymax) < (272, 178)
    np.testing.assert_allclose(face.points, POINTS, atol=4)


def test_of_two_faces_both_are_found_at_their_places(mtcnn, astronaut):
    small = caffe.io.resize_image(astronaut, (256, 256), anti_aliasing=True)
    both = np.zeros((512, 768, 3), np.float32)
    both[:512, :512], both[100:356, 512:] = astronaut, small
    found = sorted(mtcnn.detect(both), key=lambda box: box.xmin)
    assert len(found) == 2
    np.testing.assert_allclose(found[0].points, POINTS, atol=4)
    np.testing.assert_allclose(found[1].points, np.array(POINTS) / 2 + (512, 100), atol=4)


def test_a_mirrored_face_has_mirrored_points(mtcnn, astronaut):
    (face,) = mtcnn.detect(astronaut[:, ::-1])
    left, right, nose, mouth_left, mouth_right = ((511 - x, y) for x, y in POINTS)
    np.testing.assert_allclose(face.points, [right, left, nose, mouth_right, mouth_left], atol=4)


@pytest.mark.parametrize("shape", [(50, 60, 3), (5, 6, 3), (40, 41, 3), (1, 300, 3)])
def test_finds_nothing_where_nothing_is(mtcnn, shape):
    assert mtcnn.detect(np.full(shape, 0.5, np.float32)) == []


def test_a_face_at_the_edge_is_cut_from_an_image_that_ends(mtcnn, astronaut):
    (face,) = mtcnn.detect(astronaut[70:, 190:])
    np.testing.assert_allclose(face.points, np.array(POINTS) - (190, 70), atol=12)


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match=r"is no folder with det1\.prototxt, det1\.caffemodel and so on"):
        MTCNN(tmp_path)
    with pytest.raises(UsageError, match="the smallest face is 11 pixels wide; MTCNN sees none below 12"):
        MTCNN(NETS, smallest=11)


def test_a_file_that_is_missing_is_named(tmp_path):
    for name in ("det1.prototxt", "det1.caffemodel", "det2.prototxt", "det3.prototxt", "det3.caffemodel"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"has no det2\.caffemodel; MTCNN is three nets and their weights"):
        MTCNN(tmp_path)
