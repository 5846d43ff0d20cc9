"""Normalize (SSD, ParseNet): items or pixels made 1 long. Source: weiliu89/caffe, normalize_layer.cpp."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer
from caffelite.proto import caffe_pb2


@register_layer("Normalize")
class NormalizeLayer(Layer):
    """Divide each item, or without `across_spatial` each pixel, by its length; then multiply by a learned scale.

    bottom[0]: (N, C, ...).
    top[0]:    the same shape: s * x / sqrt(sum of squares + eps).
    blobs[0]:  the scale s: one number, of shape (), or with channel_shared: false one a channel, (C). Unfilled: 1.

    SSD's form, taken where neither `normalize_param` nor `norm_param.fix_scale` is written. The gradient is that of the
    loss. SSD's is another one where the scales of the channels differ (it takes the product of x and dy, where it
    should be that of x and s * dy), and is nan where a scale is 0.
    Raises LayerError for a bottom without channels, another number of them later, and a negative eps.
    """

    messages = ("norm_param",)
    formula = (
        "y = s * x / sqrt(sum of x * x + {norm_param.eps:g}), the sum of a whole item if across_spatial "
        "({norm_param.across_spatial}), else of a pixel; one s if channel_shared ({norm_param.channel_shared}), else "
        "one a channel"
    )
    fork = "SSD"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the scale."""
        param, shape = self.layer_param.norm_param, bottom[0].shape
        if len(shape) < 2:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Normalize needs axes for items and channels")
        if not param.eps >= 0:
            raise LayerError("norm_param.eps", f"{param.eps:g}", "use 0 or a small positive number, such as 1e-10")
        one = caffe_pb2.FillerParameter(value=1)
        filler = param.scale_filler if param.HasField("scale_filler") else one
        self.init_params([BlobSpec(() if param.channel_shared else (shape[1],), filler)])

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; make room for the lengths."""
        shape, param = bottom[0].shape, self.layer_param.norm_param
        channels = self.blobs[0].count
        if len(shape) < 2 or not param.channel_shared and shape[1] != channels:
            raise LayerError(
                "bottom[0]", shape_or_scalar(shape), f"the layer was set up for {channels} channels, on axis 1"
            )
        self._around = (*shape[:2], prod(shape[2:]))
        self._axes = (1, 2) if param.across_spatial else (1,)
        lengths = (shape[0], 1, 1 if param.across_spatial else self._around[2])
        self._length = np.full(lengths, np.nan, self.dtype)  # until the first pass forward
        top[0].reshape(*shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # as in C: inf or nan where it must be
            np.square(x, out=y)
            np.sum(y, axis=self._axes, keepdims=True, out=self._length)
            self._length += self.layer_param.norm_param.eps
            np.sqrt(self._length, out=self._length)
            np.divide(x, self._length, out=y)
            y *= self.blobs[0].data.reshape(-1, 1)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient, in which the length depends on the bottom, too; add to that of the scale."""
        dy = top[0].diff.reshape(self._around)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            unit = bottom[0].data.reshape(self._around) / self._length
            if self.param_propagate_down[0]:
                along = None if self.layer_param.norm_param.channel_shared else (0, 2)
                self.blobs[0].diff[...] += np.sum(unit * dy, axis=along)
            if propagate_down[0]:
                dx = bottom[0].diff.reshape(self._around)
                np.multiply(dy, self.blobs[0].data.reshape(-1, 1), out=dx)
                unit *= np.sum(unit * dx, axis=self._axes, keepdims=True)
                dx -= unit
                dx /= self._length


@register_layer("Normalize", when=lambda layer: layer.norm_param.HasField("fix_scale"))
class ParseNetNormalizeLayer(NormalizeLayer):
    """As SSD's Normalize, but with `fix_scale` the scale is not learned: its lr_mult is set to 0.

    bottom[0]: (N, C, ...).
    top[0]:    the same shape.
    blobs[0]:  the scale, of shape () or (C).

    ParseNet's form, taken where `norm_param.fix_scale` is written.
    """

    messages = ("norm_param",)
    fork = "ParseNet"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the scale, and tell the solver if it is fixed."""
        super().setup(bottom, top)
        if self.layer_param.norm_param.fix_scale:
            spec = self.layer_param.param[0] if self.layer_param.param else self.layer_param.param.add()
            spec.lr_mult = 0
