"""BatchNorm with a scale and shift inside. Source: NVIDIA/caffe, intel/caffe, layers/batch_norm_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.kernels.normalization import Statistics
from caffelite.core.layer import Blobs, BlobSpec, register_layer
from caffelite.core.layers.batch_norm import (
    NOT_READ,
    SCALED,
    SUMS,
    add_to_sums,
    do_not_learn_sums,
    has_scale_inside,
    is_forks,
    warn_of_no_statistics,
)
from caffelite.core.layers.shared.scaled_normalization import ScaledNormalization
from caffelite.proto import caffe_pb2

NVIDIAS_EPS = 1e-5  # the least that cuDNN takes
SCALES_FIELDS = ("scale_bias", "scale_filler", "bias_filler", "use_weight_bias", "bias_term", "filler")


@register_layer("BatchNorm", when=is_forks)
class ScaledBatchNormLayer(ScaledNormalization):
    """Normalize as BatchNorm, multiply each channel by a scale, add a shift, and with `relu` keep what is positive.

    bottom[0]: (N, C, ...), the channels on axis 1.
    top[0]:    the same shape, or the bottom itself (in place).
    blobs:     mean (C), variance (C), their weight (1), scale (C), shift (C); the last two are learned. The statistics
               of all batches are blobs[0] / blobs[2] and blobs[1] / blobs[2].

    NVIDIA's (scale_bias or scale_filler) keeps plain averages with a weight of 1, the first batch's at first, and its
    eps is at least 1e-5. Intel's (use_weight_bias, filler, bias_filler or bias_term, which may leave out the shift, or
    four or five stored blobs) keeps sums as BVLC's. Raises LayerError as BatchNorm does.
    """

    messages = ("batch_norm_param",)
    not_read = NOT_READ
    fork: ClassVar[str] = "NVIDIA or Intel"

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, which depends on whose statistics are taken."""
        each = self._around[0] * self._around[2]
        whose = "blobs[0] / blobs[2] and blobs[1] / blobs[2]" if self.use_global_stats else f"those of {each} values"
        scaled = (
            f"{'scale[c] * ' if self.scale_blob else ''}(x[n, c, i] - mean[c]) / sqrt(variance[c] + {self.added:g})"
        )
        scaled += " + shift[c]" if self.shift_blob else ""
        made = f"max({scaled}, 0)" if self.relu else scaled
        return f"y[n, c, i] = {made}, c < {self.channels}; mean and variance are {whose}"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read batch_norm_param; make statistics, scale and shift."""
        param = self.layer_param.batch_norm_param
        given = param.HasField("use_global_stats")
        self.use_global_stats = param.use_global_stats if given else self.phase == caffe_pb2.TEST
        self.nvidias, self.relu = param.scale_bias or param.HasField("scale_filler"), param.relu
        self.added = max(param.eps, NVIDIAS_EPS) if self.nvidias else param.eps
        self.set_channels(bottom)
        self._make_blobs(param)
        do_not_learn_sums(self)

    def advice_for_blobs(self, count: int) -> str:
        """Say how one is written that has no scale in its files, or has one."""
        if count > SUMS:
            return f"; a BatchNorm with a scale inside is written {SCALED}, one without a shift with bias_term: false"
        return f"; a BatchNorm of {SUMS} blobs has none of {', '.join(SCALES_FIELDS)}" if count == SUMS else ""

    def _make_blobs(self, param: caffe_pb2.BatchNormParameter) -> None:
        each, zero = (self.channels,), caffe_pb2.FillerParameter()
        specs = [BlobSpec(shape, zero) for shape in (each, each, (1,))]
        scaled = has_scale_inside(self.layer_param)
        shifted = scaled and (len(self.blobs) != SUMS + 1 if self.blobs else self.nvidias or param.bias_term)
        self.scale_blob, self.shift_blob = SUMS if scaled else None, SUMS + 1 if shifted else None
        if scaled:
            fillers = [getattr(param, name) for name in ("scale_filler", "filler") if param.HasField(name)]
            specs.append(BlobSpec(each, fillers[0] if fillers else caffe_pb2.FillerParameter(value=1)))
        if shifted:
            specs.append(BlobSpec(each, param.bias_filler))
        self.init_params(specs)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top; without use_global_stats, update the statistics of all batches."""
        if self.use_global_stats:
            weight = self.blobs[2].data[0]
            if not weight and not self.context.untrained:
                warn_of_no_statistics(self, self.added)
            mean, variance = (blob.data / weight if weight else np.zeros_like(blob.data) for blob in self.blobs[:2])
            self.normalize_by(mean, variance, self.added, bottom, top)
        else:
            statistics = self.normalize_batch(self.added, bottom, top)
            if statistics is not None:
                self._keep(statistics, bottom[0].count // self.channels)
        if self.relu:
            np.maximum(top[0].data, 0, out=top[0].data)

    def _keep(self, statistics: Statistics, count: int) -> None:
        """Take up the statistics of a batch with `count` values a channel."""
        if not self.nvidias:
            add_to_sums(self, statistics.mean, statistics.variance, count)
            return
        weight = self.blobs[2].data[0]
        share = self.layer_param.batch_norm_param.moving_average_fraction if weight else 0.0
        unbiased = statistics.variance * (count / (count - 1) if count > 1 else 1)
        for blob, value in zip(self.blobs[:2], (statistics.mean, unbiased), strict=True):
            blob.data[...] = share * (blob.data / weight if weight else 0) + (1 - share) * value
        self.blobs[2].data[...] = 1

    def top_slope(self, top: Blobs, bottom: Blobs) -> Array:
        """Return the top's gradient, with `relu` where the scaled values are positive: the top may be overwritten."""
        dy = super().top_slope(top, bottom)
        if not self.relu:
            return dy
        scale, shift = self._of_blob(self.scale_blob, 1)[:, None], self._of_blob(self.shift_blob, 0)[:, None]
        return dy * (self.normalized(bottom) * scale + shift > 0)
