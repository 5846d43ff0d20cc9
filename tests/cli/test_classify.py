import numpy as np
import pytest

import caffelite as caffe
from caffelite import io
from caffelite import layers as L

cv2 = pytest.importorskip("cv2")

MEAN = [10.0, 20.0, 30.0]  # of blue, green, red
LABELS = ["n01 cat, tabby", "n02 dog", "n03 Fähre", 'n04 "quoted"', "n05 five", "n06 six"]
IMAGE = np.random.default_rng(3).integers(0, 256, (4, 5, 3)).astype(np.uint8)  # BGR


@pytest.fixture
def net(folder):
    """A net of which output k is 2 ** -k times a part of the input, its weights, mean and labels, and an image."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[10, 3, 4, 5]))
    n.ip = L.InnerProduct(n.data, num_output=6, weight_filler=dict(type="gaussian", std=0.002))
    n.prob = L.Softmax(n.ip)
    (folder / "deploy.prototxt").write_text(str(n.to_proto()))
    net = caffe.Net("deploy.prototxt", caffe.TEST)
    net.params["ip"][0].data[...] = np.random.default_rng(1).normal(size=(6, 60)) * 0.002
    net.save("net.caffemodel")
    mean = np.float32(MEAN)[:, None, None] + np.float32([[-1, 1], [2, -2]])
    (folder / "mean.binaryproto").write_bytes(io.array_to_blobproto(mean[np.newaxis]).SerializeToString())
    np.save("mean.npy", mean)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    assert cv2.imwrite("a.png", IMAGE)
    return net


def lines(net, image, name):
    """What must be printed for an image that is ready, (3, 4, 5), by the net's own words and numpy."""
    net.blobs["data"].data[...] = image.astype(np.float32) - np.float32(MEAN)[:, None, None]
    values = net.forward()["prob"][0]
    best = np.argsort(values)[::-1][:5]
    return [f"---------- Prediction for {name} ----------", *(f'{values[i]:.4f} - "{LABELS[i]}"' for i in best)]


ARGUMENTS = ("classify", "deploy.prototxt", "net.caffemodel", "mean.binaryproto", "labels.txt")


def test_the_five_best_classes_as_caffe_prints_them(net, program):
    result = program(*ARGUMENTS, "a.png")
    assert result.status == 0, result.err
    assert result.out.splitlines() == lines(net, IMAGE.transpose(2, 0, 1), "a.png")
    assert len(result.out.splitlines()) == 6


@pytest.mark.parametrize("mean", ["10,20,30", "mean.npy"])
def test_the_mean_in_other_forms(net, caffelite, mean):
    result = caffelite(*ARGUMENTS[:3], mean, "labels.txt", "a.png")
    assert result.out.splitlines() == lines(net, IMAGE.transpose(2, 0, 1), "a.png")


def test_several_images_of_other_sizes(net, caffelite):
    large = np.random.default_rng(4).integers(0, 256, (9, 13, 3)).astype(np.uint8)
    assert cv2.imwrite("b.png", large)
    result = caffelite(*ARGUMENTS, "a.png", "b.png")
    resized = cv2.resize(large, (5, 4)).transpose(2, 0, 1)
    assert result.out.splitlines() == lines(net, IMAGE.transpose(2, 0, 1), "a.png") + lines(net, resized, "b.png")


@pytest.mark.parametrize("kind", ["gray", "alpha", "deep"])
def test_images_of_other_kinds(net, caffelite, kind):
    made = {
        "gray": IMAGE[:, :, 0],
        "alpha": np.dstack([IMAGE, IMAGE[:, :, 0]]),
        "deep": IMAGE.astype(np.uint16) * 256 + 77,
    }[kind]
    assert cv2.imwrite("a.png", made)
    image = IMAGE if kind != "gray" else IMAGE[:, :, :1].repeat(3, 2)
    assert caffelite(*ARGUMENTS, "a.png").out.splitlines() == lines(net, image.transpose(2, 0, 1), "a.png")


def test_fewer_classes_than_five_and_a_gray_net(folder, caffelite):
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 1, 2, 1]))
    n.same = L.Power(n.data, scale=0.5)
    (folder / "net.prototxt").write_text(str(n.to_proto()))
    caffe.Net("net.prototxt", caffe.TEST).save("net.caffemodel")
    (folder / "labels.txt").write_bytes(b"upper\r\nlow\x1ber\r\n")
    assert cv2.imwrite("a.png", np.uint8([[[10, 20, 30]], [[200, 100, 50]]]))
    result = caffelite("classify", "net.prototxt", "net.caffemodel", "1", "labels.txt", "a.png")
    # 0.114 blue + 0.587 green + 0.299 red: 21.85 and 96.45, rounded
    assert result.out.splitlines()[1:] == ['47.5000 - "low\\x1ber"', '10.5000 - "upper"']


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (1, "none.prototxt", "File not found: none.prototxt (looked in "),
        (2, "none.caffemodel", "File not found: none.caffemodel (looked in "),
        (3, "none", "File not found: none; a mean is a file, or numbers with commas such as 104,117,123"),
        (3, "1,2", "the mean is of 2 channels and the input of deploy.prototxt has 3"),
        (3, "labels.txt", "labels.txt: this is no mean file ("),
        (4, "none.txt", "File not found: none.txt (looked in "),
        (
            4,
            "short.txt",
            "short.txt has 2 labels, and the output prob has 6 values for an image; there must be as many",
        ),
        (5, "none.png", "File not found: none.png (looked in "),
        (5, "labels.txt", "Unable to decode image labels.txt: its 64 bytes are no image that OpenCV knows"),
    ],
)
def test_what_is_refused(net, caffelite, folder, place, value, message):
    (folder / "short.txt").write_text("one\ntwo")
    words = [*ARGUMENTS, "a.png"]
    words[place] = value
    result = caffelite(*words)
    assert result.status == 1
    assert message in result.error
    assert result.out == ""


INPUT = "layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: 1 dim: 3 %s } } }"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer { name: 'd' type: 'DummyData' top: 'd' dummy_data_param { shape { dim: 1 } } }", "exactly one input; "),
        (
            INPUT % "" + "layer { name: 'p' type: 'Power' bottom: 'd' top: 'p' }",
            "Input layer should have 1 or 3 channels; its shape is (1, 3)",
        ),
        (
            INPUT % "dim: 2 dim: 2"
            + "".join(f"layer {{ name: '{name}' type: 'Power' bottom: 'd' top: '{name}' }}" for name in "pq"),
            "net.prototxt: Network should have exactly one output; it has 2: p, q",
        ),
    ],
)
def test_nets_that_classify_no_image(net, caffelite, folder, text, message):
    (folder / "net.prototxt").write_text(text)
    result = caffelite("classify", "net.prototxt", *ARGUMENTS[2:], "a.png")
    assert result.status == 1 and message in result.error


def test_help_has_an_example(caffelite):
    result = caffelite("classify", "--help")
    assert "caffelite classify deploy.prototxt net.caffemodel mean.binaryproto labels.txt cat.jpg" in result.out
