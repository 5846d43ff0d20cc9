"""Upsample, two bottoms: pooling undone. Source: alexgkendall/caffe-segnet, src/caffe/layers/upsample_layer.cpp."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.proto import caffe_pb2

NOT_READ = {
    f"upsample_param.{name}": "it is for layers with one bottom, which repeat pixels"
    for name in ("stride", "stride_h", "stride_w")
}


@register_layer("Upsample", when=lambda layer: len(layer.bottom) == 2)
class UpsampleUnpoolingLayer(Layer):
    """Put each value where a MAX Pooling layer found it, and 0 elsewhere.

    bottom[0]: x: (N, C, H, W).
    bottom[1]: the places, of the same shape: the second top of that Pooling, h * width + w in one plane of the top.
    top[0]:    (N, C, upsample_h, upsample_w), or (N, C, H * scale - 1 if pad_out_h, W * scale - 1 if pad_out_w);
               scale is 2 unless it, or scale_h and scale_w, is given.

    SegNet's form, taken for two bottoms. Of several values for one place the last one stands, and it alone has a
    gradient (SegNet gives it to all). The top's size follows the bottom's; SegNet keeps the first one.
    Raises LayerError for sizes that contradict each other, and, when run, for places outside the plane.
    """

    messages = ("upsample_param",)
    not_read = NOT_READ
    formula = "y[n, c, place[n, c, i]] = x[n, c, i], a plane's {layer.plane} pixels in one row; 0 elsewhere"
    fork = "SegNet"
    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 1
    plane = 0  # pixels of one plane of the top

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Say that places have no gradient."""
        return bottom_index == 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the shapes and shape the top."""
        shape, places = bottom[0].shape, bottom[1].shape
        if len(shape) != 4:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Upsample takes images, of 4 axes")
        if places != shape:
            raise LayerError(
                "bottom[1]",
                shape_or_scalar(places),
                f"it needs a place for each value of bottom[0], whose shape is {shape_or_scalar(shape)}",
            )
        size = _size(self.layer_param.upsample_param, *shape[2:])
        self.plane = prod(size)
        top[0].reshape(*shape[:2], *size)
        self._at = np.zeros(bottom[0].count, np.int64)  # until a pass forward

    def state_bytes(self) -> int:
        """Return the size of the places."""
        return self._at.nbytes

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return None: which pixel it is depends on the values."""
        return None

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        self._at = self._places(bottom[1].data)
        top[0].data.fill(0)
        top[0].data.reshape(-1)[self._at] = bottom[0].data.reshape(-1)  # of equal places the last one stays

    def _places(self, places: Array) -> Array:
        """Return where each value goes in the whole top; LayerError if it is not in its plane."""
        outside = ~((places >= 0) & (places < self.plane) & (places == np.floor(places)))
        if outside.any():
            raise LayerError(
                "bottom[1]",
                f"{places[outside][0]:g} at {tuple(int(i[0]) for i in np.nonzero(outside))}",
                f"a plane of the top has places 0 to {self.plane - 1}; take the second top of the Pooling layer whose "
                "bottom is as large as this top, or set upsample_h and upsample_w to that size",
            )
        num, channels = places.shape[:2]
        at = places.astype(np.int64)
        at += self.plane * np.arange(num * channels).reshape(num, channels, 1, 1)
        return at.reshape(-1)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradient of bottom[0]: that of the pixel which it is in the top; of places it is 0."""
        if propagate_down[0]:
            values = np.arange(self._at.size)
            owner = np.empty(top[0].count, np.int64)  # only what is written is read
            owner[self._at] = values
            stands = owner[self._at] == values
            bottom[0].diff[...] = np.where(stands, top[0].diff.reshape(-1)[self._at], 0).reshape(bottom[0].shape)
        if propagate_down[1]:
            bottom[1].diff.fill(0)


def _size(param: caffe_pb2.UpsampleParameter, height: int, width: int) -> tuple[int, int]:
    """Return height and width of the top; LayerError for fields that contradict each other."""
    _check_both(param, "upsample_h", "upsample_w")
    _check_both(param, "scale_h", "scale_w")
    if param.HasField("upsample_h"):
        sizes = (param.upsample_h, param.upsample_w)
        if min(sizes) < 1:
            raise LayerError("upsample_param.upsample_h", f"{sizes[0]}, upsample_w {sizes[1]}", "use 1 or more")
        return sizes
    scale = param.scale if param.HasField("scale") else 2
    down, across = (param.scale_h, param.scale_w) if param.HasField("scale_h") else (scale, scale)
    for factor, side, padded in ((down, "h", param.pad_out_h), (across, "w", param.pad_out_w)):
        field = f"upsample_param.scale{f'_{side}' if param.HasField('scale_h') else ''}"
        if not (factor >= 1 and factor % 1 == 0):  # inf % 1 is nan
            raise LayerError(field, f"{factor:g}", "use a whole number, the stride of the Pooling layer")
        if padded and factor != 2:
            raise LayerError(f"upsample_param.pad_out_{side}", "true", f"it needs scale 2, but {field} is {factor:g}")
    return height * int(down) - param.pad_out_h, width * int(across) - param.pad_out_w


def _check_both(param: caffe_pb2.UpsampleParameter, first: str, second: str) -> None:
    for given, missing in ((first, second), (second, first)):
        if param.HasField(given) and not param.HasField(missing):
            raise LayerError(f"upsample_param.{given}", getattr(param, given), f"give {missing}, too")
