import numpy as np
import pytest

from caffelite.core.kernels.convolution.depthwise.depthwise import (
    DepthwiseBottomGradient,
    DepthwiseForward,
    DepthwiseWeightGradient,
    is_depthwise,
)

KERNELS = DepthwiseForward, DepthwiseWeightGradient, DepthwiseBottomGradient
SIZES = [(1, 1), (3, 3), (7, 7), (8, 9), (13, 13), (14, 14), (28, 28), (4, 33), (33, 3), (5, 56)]


@pytest.mark.parametrize("pad", [0, 1, (0, 1), (1, 0)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_products(convolution, size, stride, pad):
    case = convolution(2, 5, *size, 5, 3, stride, pad, group=5)
    assert is_depthwise(case.geometry)
    if case.top.size:
        case.check(*KERNELS, precision=2e-6, registers=())


def test_workers(convolution, workers):
    convolution(3, 7, 16, 17, 7, 3, pad=1, group=7).check(*KERNELS, precision=2e-6, registers=())


def test_threads_are_started_for_much_work(convolution):
    for stride in (1, 2):
        convolution(3, 40, 28, 28, 40, 3, stride, pad=1, group=40).check(*KERNELS, precision=2e-6, registers=())


def test_infinite_pixels_stay_in_their_plane_and_near(convolution):
    case = convolution(1, 3, 9, 20, 3, 3, pad=1, group=3)
    case.bottom[0, 1, 4, 10] = np.inf
    DepthwiseForward(case.geometry)(case.weight, None, case.bottom, case.top)
    assert np.argwhere(~np.isfinite(case.top)).tolist() == [[0, 1, h, w] for h in (3, 4, 5) for w in (9, 10, 11)]


def test_a_kernel_that_does_not_fit(convolution):
    case = convolution(2, 4, 2, 9, 4, 3, group=4)
    weight_diff = case.weight.copy()
    DepthwiseForward(case.geometry)(case.weight, case.bias, case.bottom, case.top)
    DepthwiseWeightGradient(case.geometry)(case.top, case.bottom, weight_diff)
    DepthwiseBottomGradient(case.geometry)(case.weight, case.top, case.bottom)
    np.testing.assert_array_equal(weight_diff, case.weight)
    assert not case.bottom.any()


@pytest.mark.parametrize(
    "other", [{"num_output": 8}, {"kernel_h": 5}, {"stride_w": 1}, {"pad_h": 2}, {"dilation_w": 2}, {"group": 2}]
)
def test_other_geometries_are_refused(convolution, other):
    geometry = convolution(1, 4, 9, 9, 4, 3, stride=2, pad=1, group=4).geometry
    assert is_depthwise(geometry)
    assert not is_depthwise(geometry._replace(**other))
