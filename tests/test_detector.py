import sys
import types

import numpy as np
import pytest

import caffelite
from caffelite import Detector, NetSpec, io
from caffelite import layers as L

cv2 = pytest.importorskip("cv2")

RNG = np.random.default_rng(2)
PIXELS = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
SWAP, MEAN = (2, 1, 0), np.array([104.0, 117.0, 123.0])
SETTINGS = dict(mean=MEAN, input_scale=2, raw_scale=255.0, channel_swap=SWAP)
WINDOWS = [(2, 3, 12, 23), (0, 0, 20, 30), (5, 6, 11, 12)]


def flat_net(channels=3, size=(8, 8), batch=2):
    """Return a net of which the output is what goes in, (N, C * H * W)."""
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[batch, channels, *size]))
    n.flat = L.Flatten(n.data)
    return n.to_proto()


@pytest.fixture
def image(tmp_path):
    """The path of an image."""
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), PIXELS[:, :, ::-1])
    return path


def prepared(crop, size=(8, 8)):
    crop = io.resize_image(crop, size).transpose(2, 0, 1)[list(SWAP)]
    return ((crop * 255 - MEAN[:, None, None]) * 2).ravel()


@pytest.mark.parametrize("windows", [WINDOWS, np.array(WINDOWS), np.array(WINDOWS, float), map(list, WINDOWS)])
def test_each_window_is_resized_and_classified(image, windows):
    detector = Detector(flat_net(), None, **SETTINGS)
    assert isinstance(detector, caffelite.Net)
    found = detector.detect_windows(iter([(image, windows), (str(image), [(1, 1, 9, 9)])]))
    assert [list(entry) for entry in found] == [["window", "prediction", "filename"]] * 4
    assert [entry["filename"] for entry in found] == [image] * 3 + [str(image)]
    for entry, (top, left, bottom, right) in zip(found, [*WINDOWS, (1, 1, 9, 9)], strict=True):
        assert tuple(entry["window"]) == (top, left, bottom, right)
        wanted = prepared((PIXELS[top:bottom, left:right] / 255).astype(np.float32))
        np.testing.assert_allclose(entry["prediction"], wanted, rtol=1e-5, atol=1e-3)


def test_windows_are_classified_as_they_are_asked_for(image):
    """A batch at a time: a list of many windows need not fit into memory."""
    detector = Detector(flat_net(), None)
    passes = []
    detector.before_forward(lambda index: passes.append(index) if index == 0 else None)
    found = detector.detections([(image, WINDOWS)])
    next(found)
    assert len(passes) == 1
    assert len(list(found)) == 2 and len(passes) == 2


def test_no_windows(image):
    assert Detector(flat_net(), None).detect_windows([(image, [])]) == []


def test_gray_nets_read_gray(image):
    detector = Detector(flat_net(channels=1), None)
    (found,) = detector.detect_windows([(image, [(0, 0, 8, 8)])])
    np.testing.assert_allclose(found["prediction"], io.load_image(image, color=False)[:8, :8, 0].ravel(), atol=1e-6)


def test_a_window_is_cut_to_the_image():
    detector = Detector(flat_net(), None)
    np.testing.assert_array_equal(detector.crop(PIXELS, (-3, 25.9, 5, 99)), PIXELS[:5, 25:])


@pytest.mark.parametrize("context_pad", [None, 2])
@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((5, 5, 5, 9), r"window \(5, 5, 5, 9\) \(ymin, xmin, ymax, xmax\) has no pixel in an image of 20 x 30"),
        ((5, 9, 8, 5.5), r"window \(5, 9, 8, 5.5\) "),
        ((20, 0, 25, 5), "has no pixel"),
        ((-5, 0, 0, 5), "has no pixel"),
        ((1, 2, 3), r"window \(1, 2, 3\) is not ymin, xmin, ymax, xmax"),
    ],
)
def test_windows_without_pixels(image, window, message, context_pad):
    detector = Detector(flat_net(), None, context_pad=context_pad)
    with pytest.raises(ValueError, match=message):
        detector.crop(PIXELS, window)
    with pytest.raises(ValueError, match=r"a\.png: window"):
        detector.detect_windows([(image, [window])])


def test_context_within_the_image():
    """An input of 8 with a pad of 2: the box is twice the window, around its centre."""
    detector = Detector(flat_net(), None, context_pad=2)
    assert (detector.context_pad, detector.crop_dims.tolist()) == (2, [8, 8, 3])
    image = PIXELS.astype(np.float32)
    # half sizes (7 - 4 + 1) / 2 = 2 and (14 - 9 + 1) / 2 = 3, centre (6, 12): the box is (2, 6, 10, 18)
    np.testing.assert_array_equal(detector.crop(image, (4, 9, 7, 14)), io.resize_image(image[2:10, 6:18], (8, 8)))


def test_context_beyond_the_image_is_the_mean():
    detector = Detector(flat_net(), None, context_pad=2, **SETTINGS)
    np.testing.assert_allclose(detector.crop_mean.ravel(), MEAN[::-1] / 255)
    image = (PIXELS / 255).astype(np.float32)
    # the box is (-2, -4, 6, 8), 9 x 13 with its last row and column: the part inside begins at 2 * 8 / 9 and 4 * 8 / 13
    crop = detector.crop(image, (0, -1, 3, 4))
    assert crop.shape == (8, 8, 3)
    inside = io.resize_image(image[:6, :8], (6, 6))  # 7 * 8 / 9 and 9 * 8 / 13, rounded
    np.testing.assert_array_equal(crop[2:, 2:], inside)
    np.testing.assert_allclose(crop[:2], np.broadcast_to(MEAN[::-1] / 255, (2, 8, 3)), rtol=1e-6)
    np.testing.assert_allclose(detector.transformer.preprocess("data", crop)[:, :, :2], 0, atol=1e-4)


def test_context_at_the_lower_right():
    detector = Detector(flat_net(), None, context_pad=2)
    image = PIXELS.astype(np.float32)
    # half sizes 2 and 3, centre (19, 29): the box is (15, 23, 23, 35), in the image (15, 23, 20, 30)
    crop = detector.crop(image, (17, 26, 20, 31))
    inside = io.resize_image(image[15:20, 23:30], (round(6 * 8 / 9), round(8 * 8 / 13)))
    np.testing.assert_array_equal(crop[:5, :5], inside)
    assert not crop[5:].any() and not crop[:, 5:].any()


def test_a_mean_image_is_turned_back():
    mean = RNG.random((3, 8, 8)) * 255
    detector = Detector(flat_net(), None, mean=mean, raw_scale=255, channel_swap=[2, 0, 1], context_pad=1)
    raw = mean[[1, 2, 0]].transpose(1, 2, 0) / 255  # channel 0 of the image is channel 1 of the input
    np.testing.assert_allclose(detector.crop_mean, raw)
    outside = detector.transformer.preprocess("data", detector.crop_mean)
    np.testing.assert_allclose(outside, 0, atol=1e-4)
    assert not Detector(flat_net(), None, context_pad=1).crop_mean.any()


def test_inputs_that_are_no_square():
    detector = Detector(flat_net(size=(8, 12)), None, context_pad=2)
    image = PIXELS.astype(np.float32)
    # half sizes 2 * 8 / 4 = 4 and 3 * 12 / 8 = 4.5, centre (6, 12): (2, 7.5, 10, 16.5), halves to even
    np.testing.assert_array_equal(detector.crop(image, (4, 9, 7, 14)), io.resize_image(image[2:10, 8:16], (8, 12)))


@pytest.mark.parametrize("context_pad", [4, -1, 100])
def test_a_pad_that_leaves_nothing(context_pad):
    with pytest.raises(ValueError, match=f"context_pad is {context_pad}; .* 8 x 8 it leaves no pixel: use 0 to 3"):
        Detector(flat_net(), None, context_pad=context_pad)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Detector(flat_net(), None).detect_windows([(tmp_path / "none.png", WINDOWS)])


def test_selective_search(image, monkeypatch):
    detector = Detector(flat_net(), None)
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", None)
    with pytest.raises(ImportError, match="needs the module selective_search_ijcv_with_python"):
        detector.detect_selective_search([image])
    search = types.ModuleType("selective_search_ijcv_with_python")
    search.get_windows = lambda names, cmd: [WINDOWS if (cmd, names) == ("selective_search_rcnn", [str(image)]) else []]
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", search)
    monkeypatch.chdir(image.parent)
    found = detector.detect_selective_search([image.name])
    assert [(entry["filename"], entry["window"]) for entry in found] == [(str(image), window) for window in WINDOWS]
