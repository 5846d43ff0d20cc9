"""The table of kernels: which class computes an operation, by number type, geometry and CPU.

A row is a predicate on the geometry and a class. `Class(geometry, registers)` allocates scratch and has register tiles
of the sizes that its own table gives for these registers; the object is called with the arrays of its operation:

- convolution_forward(weight, bias or None, bottom, top): top is overwritten
- convolution_weight_gradient(top_diff, bottom, weight_diff): weight_diff is added to
- convolution_bottom_gradient(weight, top_diff, bottom_diff): bottom_diff is overwritten

Arrays are float32 and C-contiguous; those on 64-byte boundaries are faster. An object serves one geometry and, since it
owns its scratch, one thread at a time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from caffelite.core.kernels.convolution.depthwise.depthwise import (
    DepthwiseBottomGradient,
    DepthwiseForward,
    DepthwiseWeightGradient,
    is_depthwise,
)
from caffelite.core.kernels.convolution.direct.bottom_gradient import FlippedBottomGradient, FoldedBottomGradient
from caffelite.core.kernels.convolution.direct.forward import DirectForward
from caffelite.core.kernels.convolution.direct.weight_gradient import DirectWeightGradient
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.kernels.convolution.pointwise.forward import PointwiseBottomGradient, PointwiseForward, is_pointwise
from caffelite.core.kernels.convolution.pointwise.subsampling import (
    PointwiseStride2BottomGradient,
    PointwiseStride2WeightGradient,
    is_pointwise_stride2,
)
from caffelite.core.kernels.convolution.pointwise.weight_gradient import PointwiseWeightGradient
from caffelite.core.kernels.convolution.winograd.weight_gradient import WinogradWeightGradient
from caffelite.core.kernels.convolution.winograd.winograd import WinogradBottomGradient, WinogradForward, suits_winograd
from caffelite.core.kernels.ir.registers import Registers, registers_of_cpu


class Row(NamedTuple):
    """One way to compute an operation, the geometries that it is for, and whether its tiles depend on the CPU."""

    suits: Callable[[Geometry], bool]
    method: Callable[..., Any]
    tiled: bool = True


def always(geometry: Geometry) -> bool:
    """Any geometry."""
    return True


def fills_its_bottom(geometry: Geometry) -> bool:
    """Stride 1 and so much padding that the top is about as large as the bottom: few products are with zeros."""
    if geometry.stride_h > 1 or geometry.stride_w > 1:
        return False
    return geometry.out_height * geometry.out_width >= 0.9 * geometry.height * geometry.width


# The first row that suits is taken.
TABLE: dict[str, tuple[Row, ...]] = {
    "convolution_forward": (
        Row(is_depthwise, DepthwiseForward, tiled=False),
        Row(is_pointwise, PointwiseForward),
        Row(suits_winograd, WinogradForward),
        Row(always, DirectForward),
    ),
    "convolution_weight_gradient": (
        Row(is_depthwise, DepthwiseWeightGradient, tiled=False),
        Row(is_pointwise, PointwiseWeightGradient),
        Row(is_pointwise_stride2, PointwiseStride2WeightGradient),
        Row(suits_winograd, WinogradWeightGradient),
        Row(always, DirectWeightGradient),
    ),
    "convolution_bottom_gradient": (
        Row(is_depthwise, DepthwiseBottomGradient, tiled=False),
        Row(is_pointwise, PointwiseBottomGradient),
        Row(is_pointwise_stride2, PointwiseStride2BottomGradient),
        Row(suits_winograd, WinogradBottomGradient),
        Row(fills_its_bottom, FlippedBottomGradient),
        Row(always, FoldedBottomGradient),
    ),
}


def choose(operation: str, dtype: DTypeLike, geometry: Geometry, registers: Registers | None = None) -> Any:
    """Return a new object for the operation, or None where the caller's plain method is to be used (not float32).

    Its tiles suit `registers`, those of this CPU unless others are given: results are right with any, but slower.
    Raises KeyError for an unknown operation.
    """
    rows = TABLE[operation]
    if np.dtype(dtype) != np.float32:
        return None
    row = next(row for row in rows if row.suits(geometry))
    return row.method(geometry, registers or registers_of_cpu()) if row.tiled else row.method(geometry)
