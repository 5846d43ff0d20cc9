"""Depthwise 3x3 convolution (one input channel an output), stride 1 or 2, pad 0 or 1: all three products.

Planes are read and written in place, in strips of 16 columns; see tiles.py.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.kernels.convolution.depthwise.tiles import (
    Plane,
    add_lanes,
    forward_strip,
    spread_strip,
    weight_strip,
)
from caffelite.core.kernels.convolution.direct.slab import clear
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.ir.pointers import own_code, pointer
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.sharing import form, signed_share_of

FETCH = 4096  # floats that are fetched ahead at least, planes at most: to the next plane where planes are that large


class Depthwise(NamedTuple):
    """Sizes of a depthwise convolution."""

    num: int
    channels: int
    height: int
    width: int
    rows: int  # of the top
    columns: int
    stride: int
    pad_h: int
    pad_w: int
    workers: int


def is_depthwise(geometry: Geometry) -> bool:
    """Tell whether these kernels are for this geometry."""
    return (
        geometry.group == geometry.channels == geometry.num_output
        and geometry.kernel_h == geometry.kernel_w == 3
        and geometry.stride_h == geometry.stride_w <= 2
        and max(geometry.pad_h, geometry.pad_w) <= 1
        and geometry.dilation_h == geometry.dilation_w == 1
    )


def plan_depthwise(geometry: Geometry) -> Depthwise:
    """Return the sizes of a convolution; is_depthwise holds for it."""
    return Depthwise(
        geometry.num,
        geometry.channels,
        geometry.height,
        geometry.width,
        geometry.out_height,
        geometry.out_width,
        geometry.stride_h,
        geometry.pad_h,
        geometry.pad_w,
        thread_count(),
    )


@kernel
def forward_planes(
    first: int,
    last: int,
    bottom: np.ndarray,
    weight: np.ndarray,
    flipped: int,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Depthwise,
) -> None:
    """Fill planes first to last of top, numbered across samples."""
    own_code()
    height, width, rows, columns = plan.height, plan.width, plan.rows, plan.columns
    ahead = max(height * width, FETCH)
    for plane in range(first, last):
        c = plane % plan.channels
        source = Plane(pointer(bottom, plane * height * width), height, width)
        target = Plane(pointer(top, plane * rows * columns), rows, columns)
        w = pointer(weight, c * 9)
        for q in range(0, columns, 16):
            if plan.stride == 1:
                forward_strip(1, source, plan.pad_h, plan.pad_w, w, flipped, bias[c], target, q, ahead)
            else:
                forward_strip(2, source, plan.pad_h, plan.pad_w, w, flipped, bias[c], target, q, ahead)


@parallel_kernel
def forward(
    bottom: np.ndarray,
    weight: np.ndarray,
    flipped: int,
    bias: np.ndarray,
    top: np.ndarray,
    plan: Depthwise,
    worker: int,
    workers: int,
) -> None:
    """Fill top; a worker takes a run of planes."""
    planes = plan.num * plan.channels
    first, last = signed_share_of(planes, worker, workers)
    forward_planes(first, last, bottom, weight, flipped, bias, top, plan)


class DepthwiseForward:
    """Forward pass of a depthwise convolution."""

    def __init__(self, geometry: Geometry) -> None:
        self.plan = plan_depthwise(geometry)
        self.no_bias = np.zeros(geometry.channels, np.float32)
        self.run = form(forward, 2 * geometry.multiply_adds)

    def __call__(self, weight: np.ndarray, bias: np.ndarray | None, bottom: np.ndarray, top: np.ndarray) -> None:
        """Overwrite top (N, C, OH, OW); weight is (C, 1, 3, 3), bias (C,) or None, bottom (N, C, H, W)."""
        if top.size:
            self.run(bottom, weight, 0, self.no_bias if bias is None else bias, top, self.plan)


@kernel
def weight_gradient_planes(
    first: int, last: int, top_diff: np.ndarray, bottom: np.ndarray, weight_diff: np.ndarray, plan: Depthwise, sums: Any
) -> None:
    """Add to the weights of channels first to last; sums has room for 9 vectors."""
    own_code()
    height, width, rows, columns = plan.height, plan.width, plan.rows, plan.columns
    for c in range(first, last):
        clear(sums, 144)
        for n in range(plan.num):
            plane = n * plan.channels + c
            # the next plane is the same channel's in the next sample, after the last sample the next channel's
            ahead = (plan.channels if n + 1 < plan.num else 1 - (plan.num - 1) * plan.channels) * height * width
            pixels = Plane(pointer(bottom, plane * height * width), height, width)
            diffs = Plane(pointer(top_diff, plane * rows * columns), rows, columns)
            for q in range(0, columns, 16):
                if plan.stride == 1:
                    weight_strip(1, pixels, plan.pad_h, plan.pad_w, diffs, q, ahead, sums)
                else:
                    weight_strip(2, pixels, plan.pad_h, plan.pad_w, diffs, q, ahead, sums)
        add_lanes(sums, pointer(weight_diff, c * 9))


@parallel_kernel
def weight_gradient(
    top_diff: np.ndarray,
    bottom: np.ndarray,
    weight_diff: np.ndarray,
    plan: Depthwise,
    sums: np.ndarray,
    worker: int,
    workers: int,
) -> None:
    """Add to weight_diff; a row of sums is for each of plan.workers runs of channels."""
    for share in range(worker, plan.workers, workers):
        first, last = signed_share_of(plan.channels, share, plan.workers)
        weight_gradient_planes(first, last, top_diff, bottom, weight_diff, plan, pointer(sums, share * 144))


class DepthwiseWeightGradient:
    """Weight gradient of a depthwise convolution."""

    def __init__(self, geometry: Geometry) -> None:
        self.plan = plan_depthwise(geometry)
        self.sums = aligned_zeros((self.plan.workers, 144))
        self.run = form(weight_gradient, 2 * geometry.multiply_adds)

    def __call__(self, top_diff: np.ndarray, bottom: np.ndarray, weight_diff: np.ndarray) -> None:
        """Add to weight_diff (C, 1, 3, 3); top_diff is (N, C, OH, OW), bottom (N, C, H, W)."""
        if top_diff.size:
            self.run(top_diff, bottom, weight_diff, self.plan, self.sums)


@kernel
def spread_planes(
    first: int, last: int, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray, plan: Depthwise
) -> None:
    """Fill planes first to last of bottom_diff, for stride 2."""
    own_code()
    height, width, rows, columns = plan.height, plan.width, plan.rows, plan.columns
    ahead = max(rows * columns, FETCH)
    for plane in range(first, last):
        w = pointer(weight, plane % plan.channels * 9)
        diffs = Plane(pointer(top_diff, plane * rows * columns), rows, columns)
        target = Plane(pointer(bottom_diff, plane * height * width), height, width)
        for q in range(plan.pad_w - 1, (width - 1 + plan.pad_w + 1) // 2, 16):
            spread_strip(diffs, w, target, plan.pad_h, plan.pad_w, q, ahead)


@parallel_kernel
def spread(
    weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray, plan: Depthwise, worker: int, workers: int
) -> None:
    """Fill bottom_diff, for stride 2; a worker takes a run of planes."""
    planes = plan.num * plan.channels
    first, last = signed_share_of(planes, worker, workers)
    spread_planes(first, last, weight, top_diff, bottom_diff, plan)


class DepthwiseBottomGradient:
    """Bottom gradient of a depthwise convolution: for stride 1 a forward pass with flipped weights."""

    def __init__(self, geometry: Geometry) -> None:
        self.plan = plan_depthwise(geometry)
        self.zeros = np.zeros(geometry.channels, np.float32)
        self.forward, self.spread = (form(pair, 2 * geometry.multiply_adds) for pair in (forward, spread))
        if self.plan.stride == 1:
            plan = self.plan
            self.plan = plan._replace(
                height=plan.rows,
                width=plan.columns,
                rows=plan.height,
                columns=plan.width,
                pad_h=2 - plan.pad_h,
                pad_w=2 - plan.pad_w,
            )

    def __call__(self, weight: np.ndarray, top_diff: np.ndarray, bottom_diff: np.ndarray) -> None:
        """Overwrite bottom_diff (N, C, H, W); weight is (C, 1, 3, 3), top_diff (N, C, OH, OW)."""
        if top_diff.size == 0:
            bottom_diff[...] = 0
        elif self.plan.stride == 1:
            self.forward(top_diff, weight, 1, self.zeros, bottom_diff, self.plan)
        else:
            self.spread(weight, top_diff, bottom_diff, self.plan)
