"""The three products of a convolution in plain float64, for the kernels that choose their geometries."""

import numba
import numpy as np
import pytest

from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.registers import Narrow, Wide, registers_of_cpu


class Convolution:
    """Normal values for one geometry, and what the three products are; a bottom and a top start off any boundary."""

    def __init__(self, num, channels, height, width, num_output, kernel, stride=1, pad=0, group=1):
        pairs = [v if isinstance(v, tuple) else (v, v) for v in (kernel, stride, pad, 1)]
        self.geometry = g = Geometry(num, channels, height, width, num_output, group, *(v for p in pairs for v in p))
        random = np.random.default_rng(3)
        shapes = (
            (num, channels, height, width),
            (num_output, channels // group, g.kernel_h, g.kernel_w),
            (num_output,),
            (num, num_output, max(0, g.out_height), max(0, g.out_width)),
        )
        self.bottom, self.weight, self.bias, self.top = (
            random.standard_normal(int(np.prod(shape)) + 1, np.float32)[1:].reshape(shape) for shape in shapes
        )

    def products(self):
        """Return the top without bias, the gradient of the weights and that of the bottom."""
        g, top = self.geometry, np.zeros(self.top.shape)
        weight_diff, margin = np.zeros(self.weight.shape), ((0, 0), (0, 0), (g.pad_h,) * 2, (g.pad_w,) * 2)
        bottom = np.pad(self.bottom.astype(np.float64), margin)
        bottom_diff = np.zeros_like(bottom)
        outputs, channels = g.group_outputs, g.group_channels
        for n in range(g.group):
            m, c = slice(n * outputs, (n + 1) * outputs), slice(n * channels, (n + 1) * channels)
            for i, j in np.ndindex(g.kernel_h, g.kernel_w):
                seen = (slice(None), c)
                seen += (slice(i, i + (g.out_height - 1) * g.stride_h + 1, g.stride_h),)
                seen += (slice(j, j + (g.out_width - 1) * g.stride_w + 1, g.stride_w),)
                tap = self.weight[m, :, i, j].astype(np.float64)
                diff = self.top[:, m].astype(np.float64)
                top[:, m] += np.einsum("mc,nchw->nmhw", tap, bottom[seen], optimize=True)
                weight_diff[m, :, i, j] = np.einsum("nmhw,nchw->mc", diff, bottom[seen], optimize=True)
                bottom_diff[seen] += np.einsum("mc,nmhw->nchw", tap, diff, optimize=True)
        return top, weight_diff, bottom_diff[:, :, g.pad_h :, g.pad_w :][:, :, : g.height, : g.width]

    def check(self, forward, weight_gradient, bottom_gradient, precision, registers=None):
        """Compare kernels of these classes, those not None; errors are relative to the largest value.

        registers are what the classes are given beside the geometry, those of this CPU by default; () is for nothing.
        """
        registers = (registers_of_cpu(),) if registers is None else registers
        top, weight_diff, bottom_diff = self.products()
        if forward is not None:
            kernel, got = forward(self.geometry, *registers), np.full_like(self.top, np.nan)
            kernel(self.weight, self.bias, self.bottom, got)
            assert_close(got, top + self.bias[:, None, None], precision)
            kernel(self.weight, None, self.bottom, got)
            assert_close(got, top, precision)
        if weight_gradient is not None:
            kernel, got = weight_gradient(self.geometry, *registers), self.weight.copy()
            for times in (1, 2):  # added to what is there, and scratch of the first call does no harm
                kernel(self.top, self.bottom, got)
                assert_close(got, self.weight + times * weight_diff, precision)
        if bottom_gradient is not None:
            kernel, got = bottom_gradient(self.geometry, *registers), np.full_like(self.bottom, np.nan)
            for _ in range(2):
                kernel(self.weight, self.top, got)
                assert_close(got, bottom_diff, precision)


def assert_close(got, want, precision):
    assert np.abs(got - want).max() <= precision * np.abs(want).max()


# Compiling takes most of the tests' time. What is not for this CPU is compiled in the slow tests; CI runs them all, and
# these once more as on a CPU of the other kind.
FORMS = [
    pytest.param(form, id=name, marks=() if form == registers_of_cpu() else pytest.mark.slow)
    for name, form in (("wide", Wide()), ("narrow", Narrow()))
]


@pytest.fixture(params=FORMS)
def registers(request):
    """What tiles are sized for, whatever this CPU has."""
    return request.param


@pytest.fixture
def convolution():
    return Convolution


@pytest.fixture(params=[1, 2, 3, 4])
def workers(request, monkeypatch):
    """Kernels made in the test share their work out over so many workers, whatever threads there are."""
    monkeypatch.setattr(numba, "get_num_threads", lambda: request.param)
    return request.param
