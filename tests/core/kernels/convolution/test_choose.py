import numpy as np
import pytest

from caffelite.core.kernels.convolution.choose import TABLE, choose
from caffelite.core.kernels.convolution.direct.bottom_gradient import FoldedBottomGradient
from caffelite.core.kernels.convolution.geometry import Geometry

LENET_CONV2 = Geometry(64, 20, 12, 12, 50, 1, 5, 5, 1, 1, 0, 0, 1, 1)


@pytest.mark.parametrize("operation", TABLE)
def test_float64_is_left_to_the_caller(operation):
    assert choose(operation, np.float64, LENET_CONV2) is None


@pytest.mark.parametrize("operation", TABLE)
def test_the_first_row_that_suits_is_taken(operation):
    kernel = choose(operation, np.float32, LENET_CONV2)
    assert type(kernel) is next(row.method for row in TABLE[operation] if row.suits(LENET_CONV2))


@pytest.mark.parametrize("operation", TABLE)
def test_some_row_suits_every_geometry(operation):
    geometries = [
        Geometry(1, 4, 9, 9, 4, group, kernel, kernel, stride, stride, pad, pad, dilation, dilation)
        for group in (1, 4)
        for kernel in (1, 3)
        for stride in (1, 2)
        for pad in (0, 1)
        for dilation in (1, 2)
    ]
    assert all(choose(operation, "float32", geometry) is not None for geometry in geometries)


def test_strided_bottom_gradients_are_folded():
    strided = LENET_CONV2._replace(stride_h=2, stride_w=2)
    assert isinstance(choose("convolution_bottom_gradient", np.float32, strided), FoldedBottomGradient)


# channels, height and width, num_output, kernel, stride, pad, group; the family of kernels
WELL_KNOWN = {
    "lenet conv1": ((1, 28, 20, 5, 1, 0, 1), "Direct"),
    "caffenet conv4": ((384, 13, 384, 3, 1, 1, 2), "Winograd"),
    "resnet first": ((3, 224, 64, 7, 2, 3, 1), "Direct"),
    "resnet 3 x 3": ((64, 56, 64, 3, 1, 1, 1), "Winograd"),
    "resnet 3 x 3 of stride 2": ((64, 56, 128, 3, 2, 1, 1), "Direct"),
    "vgg conv1_1": ((3, 224, 64, 3, 1, 1, 1), "Direct"),
    "squeeze": ((96, 55, 16, 1, 1, 0, 1), "Pointwise"),
    "after global pooling": ((512, 1, 1000, 1, 1, 0, 1), "Direct"),
    "mobilenet dw": ((32, 112, 32, 3, 1, 1, 32), "Depthwise"),
    "mobilenet dw of stride 2": ((64, 112, 64, 3, 2, 1, 64), "Depthwise"),
}


@pytest.mark.parametrize(("sizes", "family"), WELL_KNOWN.values(), ids=WELL_KNOWN)
def test_kernels_of_well_known_layers(sizes, family):
    channels, side, num_output, kernel, stride, pad, group = sizes
    geometry = Geometry(8, channels, side, side, num_output, group, kernel, kernel, stride, stride, pad, pad, 1, 1)
    for operation in ("convolution_forward", "convolution_weight_gradient"):
        assert type(choose(operation, np.float32, geometry)).__name__.startswith(family)


def test_an_unknown_operation_is_an_error():
    with pytest.raises(KeyError, match="convolution_sideways"):
        choose("convolution_sideways", np.float32, LENET_CONV2)
