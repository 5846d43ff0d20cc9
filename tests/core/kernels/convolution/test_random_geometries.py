"""Convolutions of random geometry, as kernels are chosen by it, against im2col and GEMM in float64."""

import numpy as np
import pytest

from caffelite.core.kernels.convolution.bias_gradient import bias_gradient
from caffelite.core.kernels.convolution.choose import TABLE, choose
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.im2col import col2im, im2col
from caffelite.core.kernels.ir.registers import Narrow, Wide

COUNT = 300
LARGEST = 30_000_000  # multiply-adds: more would take the reference too long
PRECISION = 2e-6  # of the largest sum of absolute values
WINOGRAD_PRECISION = 2e-5


def random_geometry(seed):
    """A convolution of some kind: each family of kernels gets its share, and two in five may be anything."""
    random = np.random.default_rng(seed)

    def one_of(*values):
        return int(random.choice(values))

    def up_to(most):
        return int(random.integers(1, most + 1))

    while True:
        kind = random.choice(["pointwise", "depthwise", "three", "any", "any"])
        group, wide = one_of(1, 1, 1, 2, 3, 4), one_of(0, 0, 0, 1)
        channels, outputs = (up_to(80 if wide else 20) for _ in range(2))
        height, width = (one_of(up_to(10), up_to(20), up_to(64 if wide else 30)) for _ in range(2))
        kernel, stride, pad, dilation = (1, 1), (1, 1), (0, 0), (1, 1)
        if kind == "pointwise":
            stride = (one_of(1, 2),) * 2
        elif kind == "depthwise":
            group, channels, outputs, kernel = up_to(40), 1, 1, (3, 3)
            stride, pad = (one_of(1, 2),) * 2, (one_of(0, 1, 1),) * 2
        elif kind == "three":
            kernel, pad = (3, 3), (one_of(0, 1, 1, 2), one_of(0, 1, 1, 2))
            channels, outputs = channels + 10, outputs + 10
        else:
            kernel = (up_to(7),) * 2 if one_of(0, 1) else (up_to(7), up_to(7))
            stride = (one_of(1, 1, 2, 3, 4),) * 2 if one_of(0, 1) else (up_to(5), up_to(5))
            pad = (one_of(0, 1, 2, 3),) * 2 if one_of(0, 1) else (one_of(0, 1, 4), one_of(0, 2, 3))
            dilation = (one_of(1, 1, 1, 2),) * 2 if one_of(0, 1) else (up_to(3), up_to(3))
        windows = (value for pair in (kernel, stride, pad, dilation) for value in pair)
        geometry = Geometry(up_to(5), group * channels, height, width, group * outputs, group, *windows)
        if geometry.out_height > 0 and geometry.out_width > 0 and geometry.multiply_adds <= LARGEST:
            return geometry


def reference(geometry, bottom, weight, top_diff):
    """Top without bias, gradients of the weights and of the bottom; float64."""
    g = geometry
    top, weight_diff, bottom_diff = (np.zeros(v.shape) for v in (top_diff, weight, bottom))
    columns = np.empty((g.channels * g.taps, g.out_height, g.out_width))
    by_group = (g.group, g.group_channels * g.taps, g.out_height * g.out_width)
    matrices = weight.reshape(g.group, g.group_outputs, -1).astype(np.float64)
    for n in range(g.num):
        im2col(bottom[n].astype(np.float64), g, columns)
        diff = top_diff[n].reshape(g.group, g.group_outputs, -1).astype(np.float64)
        top[n] = (matrices @ columns.reshape(by_group)).reshape(top[n].shape)
        weight_diff += (diff @ columns.reshape(by_group).swapaxes(1, 2)).reshape(weight.shape)
        col2im((matrices.swapaxes(1, 2) @ diff).reshape(columns.shape), g, bottom_diff[n])
    return top, weight_diff, bottom_diff


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(COUNT))
def test_products_of_random_geometries(seed):
    geometry = g = random_geometry(seed)
    random = np.random.default_rng(seed)
    shapes = (
        (g.num, g.channels, g.height, g.width),
        (g.num_output, g.group_channels, g.kernel_h, g.kernel_w),
        (g.num, g.num_output, g.out_height, g.out_width),
    )
    bottom, weight, top_diff = (random.standard_normal(shape, np.float32) for shape in shapes)
    bias = random.standard_normal(g.num_output, np.float32)
    top, weight_diff, bottom_diff = reference(g, bottom, weight, top_diff)
    sizes = reference(g, abs(bottom), abs(weight), abs(top_diff))

    def check(what, kernel, got, want, size):
        precision = WINOGRAD_PRECISION if type(kernel).__name__.startswith("Winograd") else PRECISION
        error = np.abs(got - want).max() / size.max() if np.isfinite(got).all() else np.inf
        text = f"{what} by {type(kernel).__name__}, seed {seed}, {geometry}: error {error} of the largest sum"
        assert error <= precision, text

    for registers in (Wide(), Narrow()):
        kernel, got = choose("convolution_forward", np.float32, g, registers), np.full_like(top_diff, np.nan)
        kernel(weight, bias, bottom, got)
        check(f"forward, {registers}", kernel, got, top + bias[:, None, None], sizes[0] + 1)
        kernel, got = choose("convolution_weight_gradient", np.float32, g, registers), weight.copy()
        kernel(top_diff, bottom, got)
        check(f"weight gradient, {registers}", kernel, got, weight + weight_diff, sizes[1] + 1)
        kernel, got = choose("convolution_bottom_gradient", np.float32, g, registers), np.full_like(bottom, np.nan)
        kernel(weight, top_diff, got)
        check(f"bottom gradient, {registers}", kernel, got, bottom_diff, sizes[2] + 1)
    bias_diff = bias.copy()
    bias_gradient(top_diff, bias_diff)
    want, size = top_diff.sum((0, 2, 3), dtype=np.float64), abs(top_diff).sum((0, 2, 3))
    check("bias gradient", bias_gradient, bias_diff, bias + want, size + 1)


def test_the_draw_reaches_every_family():
    geometries = [random_geometry(seed) for seed in range(COUNT)]
    for rows in TABLE.values():
        chosen = {next(row.method for row in rows if row.suits(geometry)) for geometry in geometries}
        assert chosen == {row.method for row in rows}
