"""BatchNorm: mean 0 and variance 1 for each channel. Source: src/caffe/layers/batch_norm_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels import broadcast
from caffelite.core.kernels.normalization import Divisor, Statistics, normalize, normalize_backward
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom
from caffelite.proto import caffe_pb2

SUMS = 3  # blobs of statistics
NOT_READ = {
    "batch_norm_param.stats_batch_size": "statistics are those of the whole batch",
    "batch_norm_param.update_global_stats": "they are updated where the batch's statistics are used",
}
SCALED = "batch_norm_param { scale_bias: true } (NVIDIA's) or batch_norm_param { use_weight_bias: true } (Intel's)"


def has_scale_inside(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether the layer has blobs of a scale (and shift) of its own, as NVIDIA's and Intel's may."""
    param = layer.batch_norm_param
    if param.scale_bias or param.HasField("scale_filler"):
        return True
    if layer.blobs:
        return len(layer.blobs) > SUMS
    given = any(map(param.HasField, ("use_weight_bias", "bias_term", "filler", "bias_filler")))
    return given and param.use_weight_bias


def is_forks(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether the layer does more than BVLC's."""
    return has_scale_inside(layer) or layer.batch_norm_param.relu


@register_layer("BatchNorm")
class BatchNormLayer(Layer):
    """Subtract each channel's mean and divide by sqrt(variance + eps): of the batch, or of all batches seen.

    bottom[0]: (N, C, ...), the channels on axis 1.
    top[0]:    the same shape, or the bottom itself (in place).
    blobs[0]:  running sum of the means (C); blobs[1]: of the unbiased variances (C); blobs[2]: of the weights (1).

    The statistics of all batches are blobs[0] / blobs[2] and blobs[1] / blobs[2]; use_global_stats takes them, by
    default in TEST. Each forward without it multiplies the sums by moving_average_fraction and adds the batch's
    statistics with weight 1. The blobs are not learned: an lr_mult of 0 is set for those that have none.

    Raises LayerError for another lr_mult, for a bottom without channels, and if their number changes.
    """

    messages = ("batch_norm_param",)
    not_read = NOT_READ
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, which depends on whose statistics are taken."""
        eps, each = self.layer_param.batch_norm_param.eps, self._around[0] * self._around[2]
        whose = "blobs[0] / blobs[2] and blobs[1] / blobs[2]" if self.use_global_stats else f"those of {each} values"
        return (
            f"y[n, c, i] = (x[n, c, i] - mean[c]) / sqrt(variance[c] + {eps:g}), c < {self.channels}; "
            f"mean and variance are {whose}"
        )

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read batch_norm_param; make the running sums."""
        param = self.layer_param.batch_norm_param
        given = param.HasField("use_global_stats")
        self.use_global_stats = param.use_global_stats if given else self.phase == caffe_pb2.TEST
        self.channels = _channels(bottom)
        zero = caffe_pb2.FillerParameter()
        self.init_params([BlobSpec(shape, zero) for shape in ((self.channels,), (self.channels,), (1,))])
        do_not_learn_sums(self)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if _channels(bottom) != self.channels:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                f"the statistics are of {self.channels} channels on axis 1",
            )
        top[0].reshape_like(bottom[0])
        self._around = (bottom[0].shape[0], self.channels, bottom[0].count_between(2))
        self._statistics = Statistics(*np.full((3, self.channels), np.nan, self.dtype))  # until the first forward
        self._kept = KeptBottom(self, bottom, top, wanted=not self.use_global_stats)

    def advice_for_blobs(self, count: int) -> str:
        """Say how one is written that has a scale and shift in its files."""
        return f"; a BatchNorm with a scale inside is written {SCALED}" if count > SUMS else ""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top; without use_global_stats, update the running sums."""
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        mean, variance, factor = self._statistics
        eps = self.layer_param.batch_norm_param.eps
        if self.use_global_stats:
            weight = self.blobs[2].data[0]
            if not weight and not self.context.untrained:
                warn_of_no_statistics(self, eps)
            mean[...], variance[...] = (blob.data / weight if weight else 0 for blob in self.blobs[:2])
            factor[...] = 1 / np.sqrt(variance + self.dtype.type(eps))
            broadcast.forward(broadcast.Normalize(), x, factor, mean, x, y)
        elif x.size:  # a Filter layer may let nothing through, and nothing has no mean
            normalize(x, Divisor(eps, 0.0, True), self._kept.data(bottom, self._around), y, self._statistics)
            add_to_sums(self, mean, variance, x.size // self.channels)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient; the statistics of a batch depend on it, too."""
        if not propagate_down[0]:
            return
        dy, dx = (blob.diff.reshape(self._around) for blob in (top[0], bottom[0]))
        if self.use_global_stats:
            broadcast.backward(broadcast.Multiply(), dy, self._statistics.factor, dy, None, None, dx)
        else:
            kept, spread = self._kept.data(bottom, self._around), np.ones(self.channels, self.dtype)
            normalize_backward(kept, self._statistics, spread, dy, dx)


def do_not_learn_sums(layer: Layer) -> None:
    """Tell the solver that the sums are not learned."""
    specs = layer.layer_param.param
    for index, spec in enumerate(specs[:SUMS]):
        if spec.lr_mult != 0:
            blobs = "BatchNorm's blobs are sums, not weights"
            if has_scale_inside(layer.layer_param):
                blobs = (
                    f"the first {SUMS} blobs are statistics, the scale and the shift come after them (Xilinx's Caffe "
                    "has them first)"
                )
            raise LayerError(
                f"param[{index}].lr_mult", f"{spec.lr_mult:g}", f"{blobs}: write lr_mult: 0, or no param at all"
            )
    while len(specs) < SUMS:
        specs.add(lr_mult=0)


def warn_of_no_statistics(layer: Layer, eps: float) -> None:
    """Say once a net that this layer, the first one of it, has no statistics."""
    layer.warn_once(
        "statistics",
        "its statistics have seen no data (blobs[2], their weight, is 0), so it takes mean 0 and variance 0 and "
        f"multiplies by {1 / np.sqrt(eps):g}; read weights, train first, or write use_global_stats: false. Further "
        "layers of this net may be alike",
    )


def add_to_sums(layer: Layer, mean: Array, variance: Array, count: int) -> None:
    """Add the statistics of a batch with `count` values a channel."""
    unbiased = count / (count - 1) if count > 1 else 1
    for blob, value in zip(layer.blobs, (mean, unbiased * variance, 1), strict=False):
        blob.data[...] = layer.layer_param.batch_norm_param.moving_average_fraction * blob.data + value


def _channels(bottom: Blobs) -> int:
    if bottom[0].num_axes < 2:
        raise LayerError(
            "bottom[0]", shape_or_scalar(bottom[0].shape), "channels are on axis 1; use (N, C) or (N, C, ...)"
        )
    return bottom[0].shape[1]
