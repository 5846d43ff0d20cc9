"""Flip: images mirrored. Source: happynear/caffe-windows, src/caffe/layers/flip_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Flip")
class FlipLayer(Layer):
    """Exchange left and right (`flip_width`, the default), up and down (`flip_height`), or both.

    bottom[0]: (N, C, H, W).
    top[0]:    the same shape.

    Raises LayerError for a bottom of other axes.
    """

    messages = ("flip_param",)
    formula = "y = x, mirrored; flip_width: {flip_param.flip_width}, flip_height: {flip_param.flip_height}"
    fork = "happynear"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read which axes are turned round."""
        param = self.layer_param.flip_param
        self._axes = (2,) * param.flip_height + (3,) * param.flip_width

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if bottom[0].num_axes != 4:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                "Flip takes images, of 4 axes; a Reverse layer turns any axis round",
            )
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        top[0].data[...] = np.flip(bottom[0].data, self._axes)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's, mirrored."""
        if propagate_down[0]:
            bottom[0].diff[...] = np.flip(top[0].diff, self._axes)
