"""A net whose boxes are known: its output is an Input of its own shape, made by layers of Caffe's."""

import numpy as np
import pytest

import caffelite as caffe
from caffelite.boxes.detector import BoxDetector
from caffelite.core.errors import DataError, UsageError

# Two rows whose numbers are those of a Bias: what the image holds counts for nothing.
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 21 } }
layer { name: "rows" type: "Reshape" bottom: "ip" top: "rows" reshape_param { shape { dim: 1 dim: 1 dim: 3 dim: 7 } } }
"""
ROWS = [[0, 2, 0.5, 0.1, 0.2, 0.5, 0.6], [0, 1, 0.9, -0.5, 0.5, 0.5, 1.5], [0, -1, -1, -1, -1, -1, -1]]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    net.params["ip"][1].data[...] = np.ravel(ROWS)
    net.save(str(tmp_path / "net.caffemodel"))
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel"


def test_boxes_are_in_pixels_of_the_image_and_the_best_is_the_first(files):
    first, second = BoxDetector(*files).detect(np.zeros((100, 200, 3), np.float32))
    assert (first.label, second.label) == (1, 2)
    np.testing.assert_allclose(first[1:6], [0.9, 0, 50, 100, 100], rtol=1e-6)
    np.testing.assert_allclose(second[1:6], [0.5, 20, 20, 100, 60], rtol=1e-6)


def test_threshold(files):
    assert [box.label for box in BoxDetector(*files).detect(np.zeros((4, 5, 3), np.float32), 0.5)] == [1]


def test_the_image_is_resized_scaled_and_its_channels_swapped(files):
    detector = BoxDetector(*files, mean=np.array([1.0, 2, 3]), input_scale=0.5)
    image = np.zeros((8, 10, 3), np.float32) + (0.2, 0.4, 0.6)
    detector.detect(image)
    wanted = (np.array([0.6, 0.4, 0.2]) * 255 - (1, 2, 3)) * 0.5
    np.testing.assert_allclose(detector.net.blobs["data"].data[0, :, 2, 3], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dim: 3 dim: 7", "dim: 7 dim: 3", r"no output is \(1, 1, K, 7\), rows of image, label, score and corners"),
        ("dim: 1 dim: 3 dim: 4 dim: 5", "dim: 1 dim: 60", r"the inputs are data \(1 60 \(60\)\); to detect"),
        ("dim: 3 dim: 4", "dim: 4 dim: 3", r"the inputs are data \(1 4 3 5 \(60\)\); .* one, an image \(1, 1 or 3, H"),
    ],
)
def test_refuses_other_nets(files, old, new, message):
    files[0].write_text(NET.replace(old, new))
    with pytest.raises(UsageError, match=message):
        BoxDetector(*files)


def test_a_grey_net_sees_the_luminance(files):
    files[0].write_text(NET.replace("dim: 1 dim: 3 dim: 4 dim: 5", "dim: 1 dim: 1 dim: 4 dim: 5"))
    net = caffe.Net(str(files[0]), caffe.TEST)
    net.params["ip"][1].data[...] = np.ravel(ROWS)
    net.save(str(files[1]))
    detector = BoxDetector(*files, raw_scale=1.0, channel_swap=None)
    assert len(detector.detect(np.zeros((8, 10, 3), np.float32) + (0.2, 0.4, 0.6))) == 2
    wanted = 0.2125 * 0.2 + 0.7154 * 0.4 + 0.0721 * 0.6
    np.testing.assert_allclose(detector.net.blobs["data"].data, np.full((1, 1, 4, 5), wanted), rtol=1e-6)


@pytest.mark.parametrize("place", [1, 2, 4])
def test_nan_is_not_taken_for_nothing(files, place):
    detector = BoxDetector(*files)
    detector.net.params["ip"][1].data[7 + place] = np.nan
    with pytest.raises(
        DataError, match=r'row 1 of the net\'s output "rows" is \[0\.0, .*nan.*\]; such numbers come of'
    ):
        detector.detect(np.zeros((4, 5, 3), np.float32))


def test_infinite_corners_end_at_the_images_and_infinite_labels_are_none(files):
    detector = BoxDetector(*files)
    bias = detector.net.params["ip"][1].data
    bias[10:12] = -np.inf, np.inf
    image = np.zeros((10, 20, 3), np.float32)
    assert detector.detect(image)[0][2:4] == (0, 10)
    bias[8] = np.inf
    with pytest.raises(DataError, match=r"is \[0\.0, inf, "):
        detector.detect(image)
