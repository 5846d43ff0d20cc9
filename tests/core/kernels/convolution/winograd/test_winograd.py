import numpy as np
import pytest

from caffelite.core.kernels.convolution.winograd import weight_gradient, winograd
from caffelite.core.kernels.convolution.winograd.weight_gradient import WinogradWeightGradient
from caffelite.core.kernels.convolution.winograd.winograd import WinogradBottomGradient, WinogradForward, suits_winograd
from caffelite.core.kernels.ir.registers import registers_of_cpu

KERNELS = WinogradForward, WinogradWeightGradient, WinogradBottomGradient
CPU = registers_of_cpu()
PRECISION = 5e-5
CASES = {  # num, channels, height, width, num_output; then pad, group
    "7 x 7": ((3, 32, 7, 7, 48), 1, 1),
    "7 x 7, many channels": ((2, 200, 7, 7, 160), 1, 1),
    "13 x 13, groups": ((2, 48, 13, 13, 96), 1, 2),
    "14 x 14, ragged channels": ((2, 20, 14, 14, 50), 1, 1),
    "28 x 28": ((2, 40, 28, 28, 24), 1, 1),
    "56 x 56": ((1, 24, 56, 56, 16), 1, 1),
    "few channels": ((2, 3, 21, 9, 5), 1, 1),
    "ragged groups": ((2, 51, 10, 11, 39), 1, 3),
    "no padding": ((2, 17, 12, 13, 33), 0, 1),
    "much padding": ((2, 17, 6, 5, 33), 2, 1),
    "other padding of columns": ((2, 16, 8, 9, 16), (2, 0), 1),
    "one pixel": ((3, 16, 3, 3, 16), 0, 1),
    "map smaller than a tile": ((3, 16, 2, 1, 16), 1, 1),
}
cases = pytest.mark.parametrize(("sizes", "pad", "group"), CASES.values(), ids=CASES)


@cases
def test_products(convolution, registers, sizes, pad, group):
    convolution(*sizes, 3, pad=pad, group=group).check(*KERNELS, PRECISION, (registers,))


@cases
def test_products_with_the_work_shared_out_the_other_way(convolution, monkeypatch, registers, sizes, pad, group):
    plan, plan_gradient = winograd.plan_winograd, weight_gradient.plan_gradient
    monkeypatch.setattr(
        winograd, "plan_winograd", lambda g, r, workers: plan(g, r, workers, not plan(g, r, workers)[0])
    )
    monkeypatch.setattr(
        weight_gradient, "plan_gradient", lambda g, r, workers: plan_gradient(g, r, workers, by_rows=True)
    )
    convolution(*sizes, 3, pad=pad, group=group).check(*KERNELS, PRECISION, (registers,))


@pytest.mark.parametrize("by_rows", [False, True])
def test_workers(convolution, monkeypatch, workers, by_rows):
    plan, plan_gradient = winograd.plan_winograd, weight_gradient.plan_gradient
    monkeypatch.setattr(winograd, "plan_winograd", lambda g, r, w: plan(g, r, w, by_rows))
    monkeypatch.setattr(weight_gradient, "plan_gradient", lambda g, r, w: plan_gradient(g, r, w, by_rows))
    convolution(3, 36, 10, 9, 52, 3, pad=1, group=2).check(*KERNELS, PRECISION)
    convolution(1, 16, 4, 4, 16, 3, pad=1).check(*KERNELS, PRECISION)  # less work than workers


def test_channels_in_several_blocks(convolution, monkeypatch):
    monkeypatch.setattr(winograd, "DEPTH", 32)
    monkeypatch.setattr(weight_gradient, "SUM_FLOATS", 1)
    convolution(2, 150, 9, 9, 70, 3, pad=1).check(*KERNELS, PRECISION)


def test_infinite_values_leave_nothing_behind(convolution):
    case = convolution(2, 20, 9, 9, 20, 3, pad=1)
    forward, gradient = WinogradForward(case.geometry, CPU), WinogradWeightGradient(case.geometry, CPU)
    for image in (np.full_like(case.bottom, np.inf), case.bottom):
        top, weight_diff = np.empty_like(case.top), np.zeros_like(case.weight)
        forward(case.weight, None, image, top)
        gradient(case.top, image, weight_diff)
    assert np.isfinite(top).all() and np.isfinite(weight_diff).all()


def test_the_same_threads_give_the_same_bits(convolution):
    case = convolution(2, 64, 56, 56, 64, 3, pad=1)
    diffs = np.zeros((2, *case.weight.shape), np.float32)
    for diff in diffs:
        WinogradWeightGradient(case.geometry, CPU)(case.top, case.bottom, diff)
    np.testing.assert_array_equal(*diffs)


@pytest.mark.parametrize("sizes", [(0, 16, 5, 5, 16), (2, 16, 2, 5, 16)])
def test_no_pixels(convolution, sizes):
    case = convolution(*sizes, 3)
    weight_diff = case.weight.copy()
    WinogradForward(case.geometry, CPU)(case.weight, case.bias, case.bottom, case.top)
    WinogradWeightGradient(case.geometry, CPU)(case.top, case.bottom, weight_diff)
    WinogradBottomGradient(case.geometry, CPU)(case.weight, case.top, case.bottom)
    np.testing.assert_array_equal(weight_diff, case.weight)
    assert not case.bottom.any()


def test_geometries(convolution):
    geometry = convolution(8, 64, 14, 14, 64, 3, pad=1).geometry
    assert suits_winograd(geometry)
    for other in ({"kernel_w": 5}, {"stride_h": 2}, {"dilation_w": 2}, {"pad_h": 3}, {"group": 16}, {"num": 0}):
        assert not suits_winograd(geometry._replace(**other))
