"""Reshape with a pixelshuffler. Source: intel/caffe, src/caffe/layers/reshape_layer.cpp."""

from __future__ import annotations

from typing import Any, ClassVar

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.reshape import is_pixel_shuffler


@register_layer("Reshape", when=is_pixel_shuffler)
class PixelShufflerLayer(Layer):
    """Make r x r pixels of one channel of r * r channels of one pixel, r being `pixelshuffler` (sub-pixel convolution).

    bottom[0]: (N, C, H, W), C a multiple of r * r.
    top[0]:    (N, C / r^2, H * r, W * r); y[n, c, h * r + i, w * r + j] = x[n, c * r^2 + i * r + j, h, w].

    Raises LayerError for an r below 1, other axes or channels, and for the fields that give a shape.
    """

    messages = ("reshape_param",)
    fork: ClassVar[str] = "Intel"
    formula = (
        "y[n, c, h * {layer.r} + i, w * {layer.r} + j] = x[n, {layer.r}^2 * c + {layer.r} * i + j, h, w], "
        "i < {layer.r}, j < {layer.r}"
    )
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read pixelshuffler."""
        param = self.layer_param.reshape_param
        self.r: int = param.pixelshuffler
        if self.r < 1:
            raise LayerError("reshape_param.pixelshuffler", self.r, "use 2 or more, or 1 for a Reshape without it")
        for name in ("shape", "axis", "num_axes"):
            if param.HasField(name):
                raise LayerError(
                    f"reshape_param.{name}", "given beside pixelshuffler", "which says the shape; leave one of them out"
                )

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        square = self.r * self.r
        if bottom[0].num_axes != 4 or bottom[0].shape[1] % square:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                f"use (N, C, H, W), C a multiple of pixelshuffler^2, {square}",
            )
        num, channels, height, width = bottom[0].shape
        top[0].reshape(num, channels // square, height * self.r, width * self.r)
        self._split = (num, channels // square, self.r, self.r, height, width)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        self._in_planes(top[0].data)[...] = bottom[0].data.reshape(self._split)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient."""
        if propagate_down[0]:
            bottom[0].diff.reshape(self._split)[...] = self._in_planes(top[0].diff)

    def _in_planes(self, values: Any) -> Any:
        """View the top's values with axes n, c, i, j, h, w."""
        num, channels, r, _, height, width = self._split
        return values.reshape(num, channels, height, r, width, r).transpose(0, 1, 3, 5, 2, 4)
