"""Reduction: sums over the last axes. Source: src/caffe/layers/reduction_layer.cpp."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.kernels.reduction import PLAIN, SIZES, SQUARES, row_sums
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.proto.caffe_pb2 import ReductionParameter

KINDS = {
    ReductionParameter.SUM: PLAIN,
    ReductionParameter.ASUM: SIZES,
    ReductionParameter.SUMSQ: SQUARES,
    ReductionParameter.MEAN: PLAIN,
}


@register_layer("Reduction")
class ReductionLayer(Layer):
    """Make one number of all values from `axis` on: coeff times their SUM, sum of sizes (ASUM) or of squares, or MEAN.

    bottom[0]: any shape with axis `axis`.
    top[0]:    the sizes before `axis`; () for axis 0.

    With loss_weight it makes a loss of any blob.
    """

    messages = ("reduction_param",)
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        param, shape = self.layer_param.reduction_param, bottom[0].shape
        axis = self.canonical_axis(bottom[0], param.axis, "reduction_param.axis")
        self.operation = param.operation
        self.rows = (prod(shape[:axis]), prod(shape[axis:]))
        self.coeff = param.coeff / max(self.rows[1], 1) if self.operation == ReductionParameter.MEAN else param.coeff
        top[0].reshape(*shape[:axis])

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, which depends on the operation."""
        value = {ReductionParameter.ASUM: "|x[n, i]|", ReductionParameter.SUMSQ: "x[n, i]^2"}.get(
            self.operation, "x[n, i]"
        )
        return f"y[n] = {self.coeff:g} * sum over i < {self.rows[1]} of {value}, n < {self.rows[0]}"

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        sums = row_sums(bottom[0].data.reshape(self.rows), KINDS[self.operation])
        top[0].data[...] = (self.coeff * sums).reshape(top[0].shape)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient."""
        if not propagate_down[0]:
            return
        data, diff = bottom[0].data.reshape(self.rows), bottom[0].diff.reshape(self.rows)
        scale = top[0].diff.reshape(self.rows[0], 1) * self.dtype.type(self.coeff)
        if self.operation == ReductionParameter.ASUM:
            np.sign(data, out=diff)
            diff *= scale
        elif self.operation == ReductionParameter.SUMSQ:
            np.multiply(data, 2 * scale, out=diff)
        else:
            diff[...] = scale
