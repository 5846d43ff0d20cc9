import numpy as np
import pytest

from caffelite.core.kernels.convolution.pointwise import forward, weight_gradient
from caffelite.core.kernels.convolution.pointwise.forward import PointwiseBottomGradient, PointwiseForward, is_pointwise
from caffelite.core.kernels.convolution.pointwise.subsampling import (
    PointwiseStride2BottomGradient,
    PointwiseStride2WeightGradient,
    is_pointwise_stride2,
)
from caffelite.core.kernels.convolution.pointwise.weight_gradient import PointwiseWeightGradient
from caffelite.core.kernels.ir.registers import registers_of_cpu

KERNELS = PointwiseForward, PointwiseWeightGradient, PointwiseBottomGradient
CPU = registers_of_cpu()
PRECISION = 2e-6
CASES = {  # num, channels, height, width, num_output; then group
    "7 x 7": ((5, 20, 7, 7, 50), 1),
    "7 x 7, many outputs": ((2, 64, 7, 7, 300), 1),
    "7 x 7, groups": ((3, 32, 7, 7, 24), 4),
    "13 x 13, groups": ((2, 48, 13, 13, 96), 2),
    "14 x 14, ragged channels": ((3, 17, 14, 14, 33), 1),
    "14 x 14, few outputs": ((2, 70, 14, 14, 8), 1),
    "28 x 28": ((2, 40, 28, 28, 24), 1),
    "56 x 56": ((2, 24, 56, 56, 16), 1),
    "as few pixels as may be": ((3, 6, 1, 48, 5), 1),
    "several blocks of channels": ((1, 600, 7, 9, 9), 1),
    "several blocks of channels of large images": ((1, 600, 17, 21, 9), 1),
    "one channel, one output": ((2, 1, 9, 9, 1), 1),
}
cases = pytest.mark.parametrize(("sizes", "group"), CASES.values(), ids=CASES)


@cases
def test_products(convolution, registers, sizes, group):
    case = convolution(*sizes, 1, group=group)
    assert is_pointwise(case.geometry)
    case.check(*KERNELS, PRECISION, (registers,))


@cases
def test_products_of_stride_2(convolution, registers, sizes, group):
    num, channels, height, width, num_output = sizes
    for odd in (0, 1):
        case = convolution(num, channels, 2 * height - odd, 2 * width - odd, num_output, 1, stride=2, group=group)
        assert is_pointwise_stride2(case.geometry)
        case.check(None, PointwiseStride2WeightGradient, PointwiseStride2BottomGradient, PRECISION, (registers,))


@pytest.mark.parametrize("sizes", [(4, 20, 7, 7, 50), (3, 20, 8, 9, 300), (1, 33, 30, 31, 20)])
def test_workers(convolution, workers, sizes):
    convolution(*sizes, 1).check(*KERNELS, PRECISION)


@pytest.mark.parametrize("copied", [0, 1])
@pytest.mark.parametrize("together", [1, 3])
def test_tiles_of_pixels(convolution, monkeypatch, registers, copied, together):
    plan = forward.plan_product
    choice = {"copied": copied, "together": together, "block": 16}
    monkeypatch.setattr(forward, "plan_product", lambda g, r, workers: plan(g, r, workers)._replace(**choice))
    convolution(4, 40, 7, 8, 20, 1).check(PointwiseForward, None, PointwiseBottomGradient, PRECISION, (registers,))


def test_pixels_turned_in_several_blocks(convolution, monkeypatch):
    monkeypatch.setattr(weight_gradient, "SUM_PIXELS", 32)
    monkeypatch.setattr(weight_gradient, "TRANSPOSED_FLOATS", 1)
    monkeypatch.setattr(weight_gradient, "SUM_FLOATS", 1)
    convolution(4, 20, 11, 9, 30, 1).check(None, PointwiseWeightGradient, None, PRECISION)


def test_nothing_past_the_last_pixel_is_written(convolution):
    case = convolution(3, 8, 7, 7, 8, 1)
    room = np.full(case.top.size + 64, np.nan, np.float32)
    PointwiseForward(case.geometry, CPU)(case.weight, None, case.bottom, room[: case.top.size].reshape(case.top.shape))
    assert np.isfinite(room[: case.top.size]).all() and np.isnan(room[case.top.size :]).all()


def test_no_samples(convolution):
    case = convolution(0, 16, 7, 7, 16, 1)
    weight_diff = case.weight.copy()
    PointwiseForward(case.geometry, CPU)(case.weight, case.bias, case.bottom, case.top)
    PointwiseWeightGradient(case.geometry, CPU)(case.top, case.bottom, weight_diff)
    PointwiseBottomGradient(case.geometry, CPU)(case.weight, case.top, case.bottom)
    np.testing.assert_array_equal(weight_diff, case.weight)


def test_geometries(convolution):
    geometry = convolution(2, 8, 7, 7, 8, 1).geometry
    for other in ({"height": 6}, {"kernel_w": 2}, {"stride_h": 2}, {"pad_w": 1}):
        assert is_pointwise(geometry) and not is_pointwise(geometry._replace(**other))
    geometry = convolution(2, 8, 14, 14, 8, 1, stride=2).geometry
    for other in ({"height": 12}, {"kernel_w": 2}, {"stride_h": 1}, {"pad_w": 1}):
        assert is_pointwise_stride2(geometry) and not is_pointwise_stride2(geometry._replace(**other))
