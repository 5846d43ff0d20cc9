"""What batch normalizations with a scale and shift of their own share: BN of three forks, BatchNorm of two."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels import broadcast
from caffelite.core.kernels.normalization import Divisor, Statistics, normalize, normalize_backward
from caffelite.core.layer import Blobs, Layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom


class ScaledNormalization(Layer):
    """Base of layers that make y = scale * (x - mean) / sqrt(variance + eps) + shift of each channel.

    A subclass reads its fields in `setup`, which calls `set_channels`, and gives `scale` and `shift` as blobs, by
    number. Its forward calls `normalize_batch`, or `normalize_by` with the statistics of all batches.
    """

    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs: ClassVar[int | None] = 1
    scale_blob: int | None = 0
    shift_blob: int | None = 1
    _fixed = False  # whether the statistics of the last forward do not depend on the bottom

    def set_channels(self, bottom: Blobs) -> None:
        """Take the number of channels, on axis 1; LayerError if there is no such axis."""
        if bottom[0].num_axes < 2:
            raise LayerError(
                "bottom[0]", shape_or_scalar(bottom[0].shape), "channels are on axis 1; use (N, C) or (N, C, ...)"
            )
        self.channels = bottom[0].shape[1]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; LayerError for another number of channels."""
        if bottom[0].num_axes < 2 or bottom[0].shape[1] != self.channels:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                f"scale and statistics are of {self.channels} channels on axis 1",
            )
        top[0].reshape_like(bottom[0])
        self._around = (bottom[0].shape[0], self.channels, bottom[0].count_between(2))
        self._statistics = Statistics(*np.full((3, self.channels), np.nan, self.dtype))  # until the first forward
        self._kept = KeptBottom(self, bottom, top)

    def _of_blob(self, number: int | None, otherwise: float) -> Array:
        if number is None:
            return np.full(self.channels, otherwise, self.dtype)
        return self.blobs[number].data.reshape(-1)

    def normalize_by(self, mean: Array, variance: Array, eps: float, bottom: Blobs, top: Blobs) -> None:
        """Fill the top by these statistics (C) of all batches."""
        self._fixed, statistics = True, self._statistics
        statistics.mean[...], statistics.variance[...] = mean, variance
        statistics.factor[...] = 1 / np.sqrt(statistics.variance + self.dtype.type(eps))
        slope = self._of_blob(self.scale_blob, 1) * statistics.factor
        self._fill(slope, self._of_blob(self.shift_blob, 0) - slope * statistics.mean, bottom, top)

    def scale_alone(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top with scale * x + shift, as with mean 0 and a deviation of 1."""
        self._fixed = True
        for values, number in zip(self._statistics, (0, 1, 1), strict=True):
            values.fill(number)
        self._fill(self._of_blob(self.scale_blob, 1), self._of_blob(self.shift_blob, 0), bottom, top)

    def _fill(self, slope: Array, intercept: Array, bottom: Blobs, top: Blobs) -> None:
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        kept = self._kept.data(bottom, self._around)
        broadcast.forward(broadcast.MultiplyAdd(), x, slope, intercept, kept, y)

    def normalize_batch(self, eps: float, bottom: Blobs, top: Blobs) -> Statistics | None:
        """Fill the top by the batch's own statistics and return them; None if the batch is empty."""
        self._fixed = False
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        if not x.size:
            return None
        normalize(x, Divisor(eps, 0.0, True), self._kept.data(bottom, self._around), y, self._statistics)
        scale, shift = self._of_blob(self.scale_blob, 1), self._of_blob(self.shift_blob, 0)
        broadcast.forward(broadcast.MultiplyAdd(), y, scale, shift, y, y)
        return self._statistics

    def top_slope(self, top: Blobs, bottom: Blobs) -> Array:
        """Return the gradient of the scaled values (N, C, S), for layers that do something behind: the top's."""
        diff: Array = top[0].diff.reshape(self._around)
        return diff

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Add to the gradients of scale and shift; overwrite the bottom's."""
        dy = self.top_slope(top, bottom)
        if not dy.size:
            return
        scale_diff, shift_diff = (self._wanted_diff(number) for number in (self.scale_blob, self.shift_blob))
        if scale_diff is not None:
            scale_diff += (dy * self.normalized(bottom)).sum((0, 2))
        if shift_diff is not None:
            shift_diff += dy.sum((0, 2))
        if propagate_down[0]:
            self._send_down(dy, bottom)

    def _wanted_diff(self, number: int | None) -> Any:
        if number is None or not self.param_propagate_down[number]:
            return None
        return self.blobs[number].diff.reshape(-1)

    def normalized(self, bottom: Blobs) -> Array:
        """Return (x - mean) / deviation, (N, C, S)."""
        mean, _, factor = (values[:, None] for values in self._statistics)
        normalized: Array = (self._kept.data(bottom, self._around) - mean) * factor
        return normalized

    def _send_down(self, dy: Array, bottom: Blobs) -> None:
        dx, scale = bottom[0].diff.reshape(self._around), self._of_blob(self.scale_blob, 1)
        if self._fixed:
            np.multiply(dy, (scale * self._statistics.factor)[:, None], out=dx)
        else:
            spread = np.ones(self.channels, self.dtype)
            normalize_backward(self._kept.data(bottom, self._around), self._statistics, spread, dy * scale[:, None], dx)
