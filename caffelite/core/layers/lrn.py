"""LRN: each value divided by a power of its neighbours' squares. Source: src/caffe/layers/lrn_layer.cpp."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels import lrn as kernels
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom
from caffelite.proto import caffe_pb2

Param = caffe_pb2.LRNParameter


class _LRNLayer(Layer):
    """What both forms have in common: the fields, scale (kept for backward), and a copy of the bottom if in place."""

    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the fields."""
        param = self.layer_param.lrn_param
        self.local_size, self.alpha, self.beta = param.local_size, param.alpha, param.beta
        if self.local_size % 2 == 0:
            raise LayerError(
                "lrn_param.local_size",
                self.local_size,
                "LRN only supports odd values for local_size: as many neighbours on either side",
            )

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; make room for what backward needs."""
        if bottom[0].num_axes != 4:
            raise LayerError(
                "bottom[0]", shape_or_scalar(bottom[0].shape), "Input must have 4 axes, (num, channels, height, width)"
            )
        top[0].reshape_like(bottom[0])
        self.scale = np.full(bottom[0].shape, np.nan, self.dtype)  # until the first pass forward
        self.kept = KeptBottom(self, bottom, top, forward_reads_it=True)

    def state_bytes(self) -> int:
        """Return the size of scale."""
        return self.scale.nbytes

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top; in place, after keeping a copy (Caffe's result is wrong there)."""
        self.normalize(self.kept.fill(bottom), top[0].data)

    def normalize(self, values: Array, out: Array) -> None:
        """Fill scale and `out`."""
        raise NotImplementedError(f"{type(self).__name__} has no normalize")


@register_layer("LRN", when=lambda layer: layer.lrn_param.norm_region == Param.ACROSS_CHANNELS)
class LRNAcrossLayer(_LRNLayer):
    """Divide by (k + alpha / local_size * sum of squares) ** beta, over local_size channels around each value.

    bottom[0]: (N, C, H, W). top[0]: the same shape, or the bottom itself (in place).

    Channels outside count as 0. Raises LayerError for an even local_size and for other than 4 axes.
    """

    messages = ("lrn_param",)
    formula = (
        "y[c] = x[c] / s^{lrn_param.beta:g}, s = {lrn_param.k:g} + {lrn_param.alpha:g} / "
        "{lrn_param.local_size} * sum of x[k]^2 over the {lrn_param.local_size} channels k around c"
    )

    def normalize(self, values: Array, out: Array) -> None:
        """Fill scale and `out`."""
        lines = (*values.shape[:2], values.shape[2] * values.shape[3])
        scale, top, k = self.scale.reshape(lines), out.reshape(lines), self.layer_param.lrn_param.k
        kernels.across_forward(values.reshape(lines), self.local_size, self.alpha, self.beta, k, scale, top)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient."""
        if not propagate_down[0]:
            return
        values = self.kept.data(bottom)
        lines = (*values.shape[:2], values.shape[2] * values.shape[3])
        scale, diff, out = (array.reshape(lines) for array in (self.scale, top[0].diff, bottom[0].diff))
        kernels.across_backward(values.reshape(lines), scale, diff, self.local_size, self.alpha, self.beta, out)


@register_layer("LRN", when=lambda layer: layer.lrn_param.norm_region == Param.WITHIN_CHANNEL)
class LRNWithinLayer(_LRNLayer):
    """Divide by (1 + alpha / local_size^2 * sum of squares) ** beta, over a square of pixels around each value.

    bottom[0]: (N, C, H, W). top[0]: the same shape, or the bottom itself (in place).

    The square has local_size x local_size pixels of the same channel; those outside count as 0. lrn_param.k is not
    used, as in Caffe. Raises LayerError for an even local_size and for other than 4 axes.
    """

    messages = ("lrn_param",)
    formula = (
        "y = x / s^{lrn_param.beta:g}, s = 1 + {lrn_param.alpha:g} / {lrn_param.local_size}^2 * sum of x^2 "
        "over the {lrn_param.local_size} x {lrn_param.local_size} pixels around"
    )
    not_read = {
        "lrn_param.k": "it is for norm_region: ACROSS_CHANNELS; WITHIN_CHANNEL takes 1, as in Caffe",
    }

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Return the square around each pixel."""
        return Reach((self.local_size,) * 2, (Fraction(1),) * 2)

    def normalize(self, values: Array, out: Array) -> None:
        """Fill scale and `out`."""
        kernels.within_forward(values, self.local_size, self.alpha, self.beta, self.scale, out)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient."""
        if propagate_down[0]:
            arrays = (self.kept.data(bottom), self.scale, top[0].diff)
            kernels.within_backward(*arrays, self.local_size, self.alpha, self.beta, bottom[0].diff)
