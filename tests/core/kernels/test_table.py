import numpy as np
import pytest

from caffelite.core.kernels.convolution_bottom_gradient import FoldedBottomGradient
from caffelite.core.kernels.geometry import Geometry
from caffelite.core.kernels.table import TABLE, choose

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


def test_an_unknown_operation_is_an_error():
    with pytest.raises(KeyError, match="convolution_sideways"):
        choose("convolution_sideways", np.float32, LENET_CONV2)
