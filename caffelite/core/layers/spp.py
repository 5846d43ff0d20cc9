"""SPP: pooling into grids of 1, 4, 16, ... bins, whatever the image's size. Source: src/caffe/layers/spp_layer.cpp."""

from __future__ import annotations

from caffelite.core.costs import WHOLE, Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, make_layer, register_layer, setup_layer
from caffelite.proto import caffe_pb2

HIGHEST = 12  # 4 ** 12 bins a channel


@register_layer("SPP")
class SPPLayer(Layer):
    """Pool each channel into 2 ** l x 2 ** l bins for the levels l = 0, 1, ..., pyramid_height - 1.

    bottom[0]: (N, C, H, W).
    top[0]:    (N, C * (1 + 4 + 16 + ...)), level after level, each as (channel, row, column); (N, C, 1, 1) for a single
               level, as in Caffe.

    A level is a Pooling layer with kernel ceil(size / bins), the same stride, and pad so that the bins cover the image.
    Raises LayerError for a pyramid_height of 0, a bottom of other than 4 axes, and images too small for that.
    """

    messages = ("spp_param",)
    formula = "y = pooling into 1, 4, 16, ... bins a channel, {layer.height} levels, one after the other"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the height."""
        self.height = self.layer_param.spp_param.pyramid_height
        if not 1 <= self.height <= HIGHEST:
            raise LayerError("spp_param.pyramid_height", self.height, f"use 1 to {HIGHEST} levels")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Make a Pooling layer for each level and shape the top."""
        if bottom[0].num_axes != 4 or bottom[0].count == 0:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                "Input must have 4 axes, (num, channels, height, width), and no size 0",
            )
        num, channels, height, width = bottom[0].shape
        self._levels = [self._pooling(2**level, height, width) for level in range(self.height)]
        self._pooled = [self.new_blob() for _ in self._levels]
        for level, blob in zip(self._levels, self._pooled, strict=True):
            setup_layer(level, bottom, [blob])
        if self.height == 1:
            top[0].reshape(num, channels, 1, 1)
        else:
            top[0].reshape(num, sum(blob.count for blob in self._pooled) // num)
        self._bottom_part = self.new_blob(bottom[0].shape) if self.height > 1 else bottom[0]

    def _pooling(self, bins: int, height: int, width: int) -> Layer:
        """Return a Pooling layer that makes bins x bins windows of an image."""
        kernel = [-(-size // bins) for size in (height, width)]
        pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, (height, width), strict=True)]
        pool = self.layer_param.spp_param.pool
        if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
            raise LayerError(
                "spp_param.pyramid_height",
                self.height,
                f"{bins} x {bins} bins do not fit an image of {height} x {width}; use fewer levels or larger images",
            )
        if pool == caffe_pb2.SPPParameter.STOCHASTIC and any(pad):
            raise LayerError(
                "spp_param.pool",
                "STOCHASTIC",
                f"{bins} x {bins} bins need padding of {height} x {width}; use MAX or AVE",
            )
        layer_param = caffe_pb2.LayerParameter(name=f"{self.name}_{bins}", type="Pooling", phase=self.phase)
        param = layer_param.pooling_param
        param.pool = int(pool)  # type: ignore[assignment]  # the enums have the same numbers
        param.kernel_h, param.kernel_w = param.stride_h, param.stride_w = kernel
        param.pad_h, param.pad_w = pad
        return make_layer(layer_param, self.context)

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Say that all of an image is read, by its first level."""
        return WHOLE

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top, level by level."""
        joined, start = top[0].data.reshape(top[0].shape[0], -1), 0
        for level, blob in zip(self._levels, self._pooled, strict=True):
            level.forward(bottom, [blob])
            end = start + blob.count_between(1)
            joined[:, start:end] = blob.data.reshape(blob.shape[0], -1)
            start = end

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the sum of the levels'."""
        if not propagate_down[0]:
            return
        joined, start = top[0].diff.reshape(top[0].shape[0], -1), 0
        for index, (level, blob) in enumerate(zip(self._levels, self._pooled, strict=True)):
            end = start + blob.count_between(1)
            blob.diff[...] = joined[:, start:end].reshape(blob.shape)
            start = end
            if index == 0:
                level.backward([blob], [True], bottom)
            else:
                level.backward([blob], [True], [self._bottom_part])
                bottom[0].diff[...] += self._bottom_part.diff
