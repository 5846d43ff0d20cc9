"""Tile: a blob repeated along one axis. Source: src/caffe/layers/tile_layer.cpp."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Tile")
class TileLayer(Layer):
    """Repeat what lies along `axis` as a whole: a b becomes a b a b.

    bottom[0]: any shape with axis `axis`.
    top[0]:    that shape, `axis` being `tiles` times as long.

    Raises LayerError if `tiles` is missing or below 1, and for in-place use.
    """

    messages = ("tile_param",)
    formula = "y = x repeated {tile_param.tiles} times along axis {tile_param.axis}"
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if top[0] is bottom[0]:
            raise LayerError("top", "the bottom itself", "Tile does not work in place; give its top another name")
        param, shape = self.layer_param.tile_param, bottom[0].shape
        axis = self.canonical_axis(bottom[0], param.axis, "tile_param.axis")
        if param.tiles < 1:
            raise LayerError("tile_param.tiles", param.tiles, "say how many copies there shall be, 1 or more")
        self.repeated = (prod(shape[:axis]), param.tiles, prod(shape[axis:]))
        top[0].reshape(*shape[:axis], shape[axis] * param.tiles, *shape[axis + 1 :])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the bottom into the top, several times."""
        outer, _, block = self.repeated
        top[0].data.reshape(self.repeated)[...] = bottom[0].data.reshape(outer, 1, block)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the sum over the copies."""
        if propagate_down[0]:
            outer, _, block = self.repeated
            np.sum(top[0].diff.reshape(self.repeated), axis=1, out=bottom[0].diff.reshape(outer, block))
