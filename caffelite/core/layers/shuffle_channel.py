"""ShuffleChannel: channels of several groups mixed. Source: farmingyard/ShuffleNet, shuffle_channel_layer.cpp."""

from __future__ import annotations

from math import prod

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("ShuffleChannel")
class ShuffleChannelLayer(Layer):
    """Take one channel of each group in turn: with group 2, channels 0 1 2 3 4 5 become 0 3 1 4 2 5.

    bottom[0]: (N, C, ...); `group` divides C.
    top[0]:    the same shape.

    Raises LayerError for a bottom without channels and for a group that does not divide them.
    """

    messages = ("shuffle_channel_param",)
    formula = "y[n, j * {shuffle_channel_param.group} + i] = x[n, i * {layer.of_group} + j], of groups i"
    fork = "ShuffleNet"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False
    of_group = 0  # channels of each group

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        group, shape = self.layer_param.shuffle_channel_param.group, bottom[0].shape
        if len(shape) < 2:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "ShuffleChannel needs channels, on axis 1")
        if group < 1 or shape[1] % group:
            raise LayerError("shuffle_channel_param.group", group, f"use a divisor of {shape[1]}, the channels")
        self.of_group = shape[1] // group
        self._groups: Shape = (shape[0], group, self.of_group, prod(shape[2:]))
        top[0].reshape(*shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        self._by_group(top[0].data)[...] = bottom[0].data.reshape(self._groups)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's, the channels put back."""
        if propagate_down[0]:
            bottom[0].diff.reshape(self._groups)[...] = self._by_group(top[0].diff)

    def _by_group(self, array: Array) -> Array:
        """Return an array of the top with the axes (num, group, channel of the group, the rest)."""
        num, group, channels, rest = self._groups
        groups: Array = array.reshape(num, channels, group, rest).swapaxes(1, 2)
        return groups
