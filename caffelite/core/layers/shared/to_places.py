"""Pooling undone: values go where a MAX Pooling layer found them."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer


class ToPlacesLayer(Layer):
    """Put each value of bottom[0] at the place in bottom[1], h * width + w in one plane of the top, and 0 elsewhere.

    A layer type says in `size_of_top` how large the top is, and in `size_fields` which fields that depends on.
    """

    formula = "y[n, c, place[n, c, i]] = x[n, c, i], a plane's {layer.plane} pixels in one row; 0 elsewhere"
    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 1
    size_fields: str
    plane = 0  # pixels of one plane of the top

    def size_of_top(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the top for a bottom of this height and width."""
        raise NotImplementedError(f"{type(self).__name__} has no size_of_top")

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Say that places have no gradient."""
        return bottom_index == 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the shapes and shape the top."""
        shape, places = bottom[0].shape, bottom[1].shape
        if len(shape) != 4:
            raise LayerError("bottom[0]", shape_or_scalar(shape), f"{self.layer_param.type} takes images, of 4 axes")
        if places != shape:
            raise LayerError(
                "bottom[1]",
                shape_or_scalar(places),
                f"it needs a place for each value of bottom[0], whose shape is {shape_or_scalar(shape)}",
            )
        size = self.size_of_top(*shape[2:])
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
            place = places[outside][0]
            fix = (
                "take the second top of the Pooling layer whose bottom is as large as this top, or set "
                f"{self.size_fields} to that size"
            )
            if place == -1:
                fix = "that is of a window without a pixel; give the Pooling layer a kernel as large as its stride"
            raise LayerError(
                "bottom[1]",
                f"{place:g} at {tuple(int(i[0]) for i in np.nonzero(outside))}",
                f"a plane of the top has places 0 to {self.plane - 1}; {fix}",
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
