import cv2
import numpy as np
import pytest

from caffelite.cli import show_image
from caffelite.cli.command import Arguments
from caffelite.cli.options import IMAGE
from caffelite.core.errors import CaffeliteError
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

NET = 'layer { name: "x" type: "Input" top: "x" input_param { shape { %s } } }\n'


@pytest.fixture
def fill(folder):
    """Fill the input of a net with image.png, of two pixels: fill("dim: 1 ...", mean="1") -> values."""
    cv2.imwrite("image.png", np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8))  # blue, green, red

    def run(shape, image="image.png", mean="", scale="1"):
        (folder / "input.prototxt").write_text(NET % shape)
        net = Net("input.prototxt", TEST)
        show_image.fill(net, Arguments({IMAGE: image, show_image.MEAN: mean, show_image.SCALE: scale}, []))
        return net.blobs["x"].data.copy()

    return run


TWO_PIXELS = "dim: 10 dim: 3 dim: 1 dim: 2"


def test_channels_are_blue_green_red_and_the_batch_one_image(fill):
    np.testing.assert_array_equal(fill(TWO_PIXELS), [[[[10, 40]], [[20, 50]], [[30, 60]]]])


def test_grey_where_the_net_has_one_channel(fill):
    values = fill("dim: 1 dim: 1 dim: 1 dim: 2")
    expected = [0.114 * blue + 0.587 * green + 0.299 * red for blue, green, red in ((10, 20, 30), (40, 50, 60))]
    np.testing.assert_allclose(values[0, 0, 0], expected, atol=1)  # OpenCV and libpng round differently


def test_mean_and_scale(fill):
    np.testing.assert_array_equal(fill(TWO_PIXELS, mean="10,20,30", scale="0.5"), [[[[0, 15]], [[0, 15]], [[0, 15]]]])
    np.testing.assert_array_equal(fill(TWO_PIXELS, mean="10")[0, 2, 0], [20, 50])


def test_of_a_larger_mean_file_the_middle(fill, folder):
    from caffelite.proto.caffe_pb2 import BlobProto, BlobShape

    mean = BlobProto(shape=BlobShape(dim=[1, 3, 3, 4]), data=np.arange(36, dtype=float))
    (folder / "mean.binaryproto").write_bytes(mean.SerializeToString())
    np.testing.assert_array_equal(fill(TWO_PIXELS, mean="mean.binaryproto")[0, 0, 0], [10 - 5, 40 - 6])


def test_a_mean_file_of_other_axes_is_refused(fill, folder):
    import h5py

    with h5py.File("mean.h5", "w") as file:
        file["data"] = np.zeros((2, 3))
    with pytest.raises(CaffeliteError, match=r"--mean: the mean has the shape \(3,\), the image \(3, 1, 2\); use the"):
        fill(TWO_PIXELS, mean="mean.h5")


@pytest.mark.parametrize("flags", [{"scale": "nan"}, {"mean": "inf"}])
def test_numbers_are_finite(fill, flags):
    with pytest.raises(CaffeliteError, match=r"^--(scale|mean): (nan|inf) would make every value (nan|inf); give"):
        fill(TWO_PIXELS, **flags)


def test_resized_to_the_input(fill):
    values = fill("dim: 1 dim: 3 dim: 4 dim: 1")
    assert values.shape == (1, 3, 4, 1)
    np.testing.assert_array_equal(values[0, :, 0, 0], [25, 35, 45])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"image": "no.png"}, "--image: File not found: no.png"),
        ({"image": "input.prototxt"}, "are no image that OpenCV knows"),
        ({"mean": "1,2"}, "--mean has 2 numbers and the image 3 channels; give 1 or 3"),
        ({"mean": "mean.npy"}, '--mean: "mean.npy" is no number, and no file of that name is there'),
        ({"scale": "x"}, '--scale: "x" is no number'),
        ({"image": ""}, 'give --image for its input "x"'),
    ],
)
def test_what_cannot_be_read_is_refused(fill, options, problem):
    with pytest.raises(CaffeliteError, match=problem):
        fill(TWO_PIXELS, **options)


def test_inputs_that_are_no_images_are_refused(fill):
    with pytest.raises(CaffeliteError, match=r'the input "x" has the shape \(1, 5\); an image fits'):
        fill("dim: 1 dim: 5")
