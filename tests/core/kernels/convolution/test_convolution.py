import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from caffelite.core.kernels.convolution.bias_gradient import bias_gradient
from caffelite.core.kernels.convolution.direct.bottom_gradient import FlippedBottomGradient, FoldedBottomGradient
from caffelite.core.kernels.convolution.direct.forward import DirectForward
from caffelite.core.kernels.convolution.direct.weight_gradient import DirectWeightGradient
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.registers import registers_of_cpu

CPU = registers_of_cpu()
PRECISION = 2e-6  # relative to the largest value


def geometry(num, channels, height, width, num_output, kernel, stride=1, pad=0, dilation=1, group=1):
    pairs = (v if isinstance(v, tuple) else (v, v) for v in (kernel, stride, pad, dilation))
    return Geometry(num, channels, height, width, num_output, group, *(v for pair in pairs for v in pair))


GEOMETRIES = {
    "lenet conv1": geometry(5, 1, 28, 28, 20, 5),
    "lenet conv2": geometry(5, 20, 12, 12, 50, 5),
    "cifar10 conv1": geometry(3, 3, 32, 32, 32, 5, pad=2),
    "cifar10 conv2": geometry(3, 32, 16, 16, 32, 5, pad=2),
    "cifar10 conv3": geometry(3, 32, 8, 8, 64, 5, pad=2),
    "caffenet conv1": geometry(1, 3, 67, 67, 96, 11, stride=4),
    "caffenet conv2": geometry(1, 96, 27, 27, 256, 5, pad=2, group=2),
    "several blocks of rows": geometry(1, 3, 150, 140, 8, 3, pad=1),
    "7 x 7 stride 2": geometry(2, 3, 45, 46, 16, 7, stride=2, pad=3),
    "3 x 3 stride 2": geometry(2, 16, 28, 28, 24, 3, stride=2, pad=1),
    "3 x 3 at 7 x 7": geometry(2, 40, 7, 7, 48, 3, pad=1),
    "1 x 1": geometry(2, 24, 9, 13, 17, 1),
    "1 x 1 stride 2": geometry(2, 8, 9, 13, 7, 1, stride=2),
    "dilation 2": geometry(2, 7, 14, 15, 5, 3, pad=2, dilation=2),
    "dilation and stride share a factor": geometry(2, 4, 19, 19, 6, 3, stride=4, pad=1, dilation=2, group=2),
    "rectangles": geometry(2, 7, 13, 11, 5, (3, 2), stride=(1, 2), pad=(0, 1), dilation=(2, 1)),
    "line": geometry(3, 5, 1, 50, 3, (1, 7), pad=(0, 3)),
    "stride 3": geometry(2, 6, 17, 23, 9, 3, stride=3, pad=1, group=3),
    "stride above kernel": geometry(2, 3, 16, 23, 8, 2, stride=5),
    "depthwise": geometry(2, 6, 9, 10, 6, 3, pad=1, group=6),
    "map smaller than kernel": geometry(3, 5, 2, 2, 3, 3, pad=1),
    "pad above kernel": geometry(2, 3, 4, 5, 4, 2, pad=3),
    "one pixel": geometry(4, 3, 6, 6, 10, 6),
    "one channel, one output": geometry(1, 1, 5, 5, 1, 3),
    "overhanging kernel": geometry(2, 2, 3, 3, 2, 4, stride=2),
}
geometries = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)


def arrays(geometry):
    """Bottom, weight, bias and top of normal values; the bottom starts off any boundary."""
    g, random = geometry, np.random.default_rng(3)
    shapes = (
        (g.num, g.channels, g.height, g.width),
        (g.num_output, g.group_channels, g.kernel_h, g.kernel_w),
        (g.num_output,),
        (g.num, g.num_output, max(0, g.out_height), max(0, g.out_width)),
    )
    return [random.standard_normal(int(np.prod(shape)) + 1, np.float32)[1:].reshape(shape) for shape in shapes]


def windows(padded, geometry):
    """What each tap sees: a view (N, group, C / group, OH, OW, KH, KW) of a padded image."""
    g = geometry
    extent = (g.dilation_h * (g.kernel_h - 1) + 1, g.dilation_w * (g.kernel_w - 1) + 1)
    view = sliding_window_view(padded, extent, axis=(2, 3), writeable=True)
    view = view[:, :, :: g.stride_h, :: g.stride_w, :: g.dilation_h, :: g.dilation_w]
    view = view[:, :, : g.out_height, : g.out_width]
    return view.reshape(g.num, g.group, g.group_channels, *view.shape[2:])


def padded(bottom, geometry):
    g = geometry  # a kernel may overhang the padding by less than one stride
    down, across = (g.pad_h, g.pad_h + g.stride_h - 1), (g.pad_w, g.pad_w + g.stride_w - 1)
    return np.pad(bottom.astype(np.float64), ((0, 0), (0, 0), down, across))


def grouped(array, geometry, axis):
    shape = array.shape
    return array.reshape(*shape[:axis], geometry.group, -1, *shape[axis + 1 :]).astype(np.float64)


def reference_bottom_gradient(weight, top, geometry):
    g = geometry
    image = padded(np.zeros((g.num, g.channels, g.height, g.width)), g)
    products = np.einsum("gmcij,ngmhw->ngchwij", grouped(weight, g, 0), grouped(top, g, 1), optimize=True)
    extent = [np.arange(n) for n in products.shape[3:]]
    h, w, i, j = np.ix_(*extent)
    rows, columns = h * g.stride_h + i * g.dilation_h, w * g.stride_w + j * g.dilation_w
    np.add.at(
        image, (slice(None), slice(None), rows, columns), products.reshape(g.num, g.channels, *products.shape[3:])
    )
    return image[:, :, g.pad_h : g.pad_h + g.height, g.pad_w : g.pad_w + g.width]


def assert_close(got, want):
    assert np.abs(got - want).max() <= PRECISION * max(np.abs(want).max(), 1e-30)


@geometries
@pytest.mark.parametrize("with_bias", [True, False])
def test_forward(geometry, registers, with_bias):
    bottom, weight, bias, top = arrays(geometry)
    views = windows(padded(bottom, geometry), geometry)
    want = np.einsum("gmcij,ngchwij->ngmhw", grouped(weight, geometry, 0), views, optimize=True).reshape(top.shape)
    top[...] = np.nan
    DirectForward(geometry, registers)(weight, bias if with_bias else None, bottom, top)
    assert_close(top, want + bias[:, None, None] if with_bias else want)


@geometries
def test_weight_gradient_is_added(geometry, registers):
    bottom, weight, _, top = arrays(geometry)
    views = windows(padded(bottom, geometry), geometry)
    gradient = np.einsum("ngmhw,ngchwij->gmcij", grouped(top, geometry, 1), views, optimize=True)
    want = weight + gradient.reshape(weight.shape)
    DirectWeightGradient(geometry, registers)(top, bottom, weight)
    assert_close(weight, want)


@geometries
def test_bottom_gradient(geometry, registers):
    bottom, weight, _, top = arrays(geometry)
    want = reference_bottom_gradient(weight, top, geometry)
    methods = [FoldedBottomGradient]
    if geometry.stride_h == geometry.stride_w == 1:
        methods.append(FlippedBottomGradient)
    for method in methods:
        bottom[...] = np.nan
        method(geometry, registers)(weight, top, bottom)
        assert_close(bottom, want)


def test_calls_leave_nothing_behind_for_the_next():
    g = GEOMETRIES["several blocks of rows"]
    bottom, weight, bias, top = arrays(g)
    forward, weight_gradient, bottom_gradient = (
        DirectForward(g, CPU),
        DirectWeightGradient(g, CPU),
        FoldedBottomGradient(g, CPU),
    )
    results = []
    for image in (bottom, np.full_like(bottom, np.inf), bottom):
        new_top, weight_diff, bottom_diff = np.empty_like(top), np.zeros_like(weight), np.empty_like(bottom)
        forward(weight, bias, image, new_top)
        weight_gradient(top, image, weight_diff)
        bottom_gradient(weight, top if image is bottom else np.full_like(top, np.inf), bottom_diff)
        results.append((new_top, weight_diff, bottom_diff))
    for first, last in zip(results[0], results[2], strict=True):
        np.testing.assert_array_equal(first, last)


def test_an_infinite_pixel_reaches_only_its_own_channel():
    g = geometry(1, 4, 6, 7, 5, 3, pad=1)
    bottom, weight, _, top = arrays(g)
    bottom[0, 1, 5, 6] = np.inf
    weight[...] = 0
    DirectWeightGradient(g, CPU)(top, bottom, weight)
    assert np.isfinite(weight[:, [0, 2, 3]]).all()


@pytest.mark.parametrize("kernel", [DirectForward, DirectWeightGradient, FoldedBottomGradient, FlippedBottomGradient])
@pytest.mark.parametrize("empty", [geometry(0, 2, 5, 5, 3, 3), geometry(2, 2, 2, 5, 3, 3), geometry(2, 2, 0, 0, 3, 3)])
def test_no_pixels(kernel, empty):
    bottom, weight, bias, top = arrays(empty)
    before = weight.copy()
    if kernel is DirectForward:
        kernel(empty, CPU)(weight, bias, bottom, top)
    elif kernel is DirectWeightGradient:
        kernel(empty, CPU)(top, bottom, weight)
    else:
        kernel(empty, CPU)(weight, top, bottom)
        assert not bottom.any()
    np.testing.assert_array_equal(weight, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num", [2, 200])
def test_bias_gradient_is_added(dtype, num):
    top_diff = np.random.default_rng(0).standard_normal((num, 5, 6, 7)).astype(dtype)
    bias_diff = np.arange(5).astype(dtype)
    bias_gradient(top_diff, bias_diff)
    assert_close(bias_diff, np.arange(5) + top_diff.astype(np.float64).sum((0, 2, 3)))
