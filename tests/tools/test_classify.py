import numpy as np
import pytest

import caffelite as caffe
from caffelite import layers as L
from caffelite.core.errors import DataError
from caffelite.tools.classify import ImageClassifier

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def classifier(tmp_path, monkeypatch):
    """A net of which the outputs are the blue, green and red of the one pixel of its input, halved."""
    monkeypatch.chdir(tmp_path)
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[4, 3, 1, 1]))
    n.half = L.Power(n.data, scale=0.5)
    (tmp_path / "net.prototxt").write_text(str(n.to_proto()))
    caffe.Net("net.prototxt", caffe.TEST).save("net.caffemodel")
    (tmp_path / "labels.txt").write_text("blue\ngreen\nred")
    return ImageClassifier("net.prototxt", "net.caffemodel", "1", "labels.txt")


def write(*pixel):
    assert cv2.imwrite("a.png", np.uint8([[pixel]]))
    return "a.png"


def test_largest_first_and_equal_ones_in_their_order(classifier):
    assert classifier.best(write(11, 31, 21)) == [("green", 15), ("red", 10), ("blue", 5)]
    assert classifier.best(write(5, 9, 5), 2) == [("green", 4), ("blue", 2)]


def test_the_net_runs_one_image_at_a_time(classifier):
    assert classifier.net.blobs["half"].shape == (1, 3, 1, 1)


def test_what_is_no_number_comes_last_and_is_told(classifier, caplog):
    classifier._mean = np.array([np.nan, 0, 0])
    assert [label for label, _ in classifier.best(write(11, 31, 21))] == ["green", "red", "blue"]
    assert "a.png: the output half holds nan, which is no number" in caplog.text


def test_a_claimed_size(classifier, tmp_path):
    data = bytearray(cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes())
    data[16:24] = (60000).to_bytes(4, "big") + (50000).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match="^Unable to decode image a.png: its header claims 60000 x 50000 pixels"):
        classifier.best("a.png")
