"""MVN: mean 0 and variance 1 for each plane or item. Source: src/caffe/layers/mvn_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.normalization import Divisor, Statistics, normalize, normalize_backward
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom


@register_layer("MVN")
class MVNLayer(Layer):
    """Subtract the mean of each channel of each item, then divide by its standard deviation + eps.

    bottom[0]: up to 4 axes (num, channels, height, width).
    top[0]:    always these 4 axes, of size 1 where the bottom has none; or the bottom itself (in place, where Caffe's
               gradient is wrong).

    across_channels: statistics of whole items; normalize_variance: false: only the mean. The gradient takes eps for
    what it is; Caffe's takes it for 0. Raises LayerError for more than 4 axes.
    """

    messages = ("mvn_param",)
    formula = (
        "y = (x - mean) / (deviation + {mvn_param.eps:g}), of {layer._around[1]} groups of "
        "{layer._around[2]} values; normalize_variance: {mvn_param.normalize_variance}"
    )
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; make room for the statistics."""
        shape = bottom[0].shape
        if len(shape) > 4:
            raise LayerError(
                "bottom[0]", shape_or_scalar(shape), "MVN takes 4 axes at most; join some by a Reshape layer"
            )
        self.axes_before = len(shape)  # in place the bottom gets 4, too
        shape = (*shape, *[1] * (4 - len(shape)))
        groups = shape[0] if self.layer_param.mvn_param.across_channels else shape[0] * shape[1]
        top[0].reshape(*shape)
        self._around = (1, groups, top[0].count // max(groups, 1))
        self._statistics = Statistics(*np.full((3, groups), np.nan, self.dtype))  # until the first pass forward
        self._kept = KeptBottom(self, bottom, top)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        param = self.layer_param.mvn_param
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        divisor, kept = Divisor(0.0, param.eps, param.normalize_variance), self._kept.data(bottom, self._around)
        normalize(x, divisor, kept, y, self._statistics)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient; mean and deviation depend on the bottom, too."""
        if propagate_down[0]:
            dy, dx = (blob.diff.reshape(self._around) for blob in (top[0], bottom[0]))
            normalize_backward(self._kept.data(bottom, self._around), self._statistics, self._spread(), dy, dx)

    def _spread(self) -> Array:
        """(deviation + eps) / deviation of each group, 1 where all values are equal; 0 if it divides by nothing."""
        if not self.layer_param.mvn_param.normalize_variance:
            return np.zeros_like(self._statistics.variance)
        deviation = np.sqrt(self._statistics.variance)
        eps = self.layer_param.mvn_param.eps
        return np.divide(deviation + eps, deviation, out=np.ones_like(deviation), where=deviation > 0)
