"""Reorg: pixels of a plane and planes, exchanged. Source: eric612/MobileNet-YOLO, src/caffe/layers/reorg_layer.cpp."""

from __future__ import annotations

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Reorg")
class ReorgLayer(Layer):
    """Make stride * stride planes of one, each of a part of its pixels; with `reverse`, planes into one.

    bottom[0]: (N, C, H, W); stride * stride divides C in both directions.
    top[0]:    (N, C * stride^2, H / stride, W / stride), or with `reverse` (N, C / stride^2, H * stride, W * stride).

    This is Darknet's order, in which YOLO v2 is trained, and not that of a space-to-depth layer. With
    q = C / stride^2, one side is seen as a of shape (C, H, W) and the other as b of (q, H * stride, W * stride), C, H
    and W being the bottom's: a[c, h, w] = b[k, h * stride + i // stride, w * stride + i mod stride], k = c mod q and
    i = c // q. The bottom is b, with `reverse` it is a. The gradient goes the same way back; the fork's reads memory
    that nobody filled.

    Raises LayerError without a stride, for one that does not divide, and for a bottom of other axes.
    """

    messages = ("reorg_param",)
    fork = "YOLO"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the sizes and shape the top."""
        param, shape = self.layer_param.reorg_param, bottom[0].shape
        if len(shape) != 4:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Reorg takes images, of 4 axes")
        stride = param.stride
        if stride < 1:
            raise LayerError("reorg_param.stride", stride, "say how many pixels make a step, 2 in YOLO v2")
        num, channels, height, width = shape
        if channels % stride**2:
            raise LayerError("reorg_param.stride", stride, f"its square must divide the channels, which are {channels}")
        if not param.reverse and (height % stride or width % stride):
            raise LayerError("reorg_param.stride", stride, f"it must divide height and width, {height} x {width}")
        self._parts = (stride, stride, channels // stride**2, height, width)
        if param.reverse:
            top[0].reshape(num, channels // stride**2, height * stride, width * stride)
        else:
            top[0].reshape(num, channels * stride**2, height // stride, width // stride)

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the stride and the shapes of both sides."""
        s, _, q, height, width = self._parts
        a, b = ("x", "y") if self.layer_param.reorg_param.reverse else ("y", "x")
        return (
            f"{a}[n, c, h, w] = {b}[n, c mod {q}, {s} * h + (c // {q}) // {s}, {s} * w + (c // {q}) mod {s}], {a} seen "
            f"as {s * s * q} x {height} x {width} and {b} as {q} x {s * height} x {s * width}"
        )

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return None: pixels that are neighbours in the top are not in the bottom."""
        return None

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        if self.layer_param.reorg_param.reverse:
            self._as_pixels(top[0].data)[...] = self._as_planes(bottom[0].data)
        else:
            self._as_planes(top[0].data)[...] = self._as_pixels(bottom[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's, each at its place."""
        if not propagate_down[0]:
            return
        if self.layer_param.reorg_param.reverse:
            self._as_planes(bottom[0].diff)[...] = self._as_pixels(top[0].diff)
        else:
            self._as_pixels(bottom[0].diff)[...] = self._as_planes(top[0].diff)

    def _as_planes(self, array: Array) -> Array:
        """Return a view of a: (N, row of the step, column of the step, q, H, W)."""
        return array.reshape(len(array), *self._parts)

    def _as_pixels(self, array: Array) -> Array:
        """Return a view of b with the axes of `_as_planes`."""
        s, _, q, height, width = self._parts
        pixels: Array = array.reshape(len(array), q, height, s, width, s).transpose(0, 3, 5, 1, 2, 4)
        return pixels
