"""Where a layer that may work in place finds its bottom's values for the gradient."""

from __future__ import annotations

from caffelite.core.blob import Array, Shape
from caffelite.core.layer import Blobs, Layer


class KeptBottom:
    """The values of bottom[0] as forward finds them: in the bottom, or, if the top is written over it, in a copy.

    The slope of x / (1 + e ** -x) depends on x. With `bottom: "x" top: "y"` the bottom still holds x when backward
    runs; with `bottom: "x" top: "x"` it holds the result, and forward has to put x aside.

    A layer makes one at each reshape. There is no copy if the gradient does without it (`wanted` is false), and none is
    taken where no backward pass of the net runs the layer, unless `forward_reads_it`: its loops read the bottom when
    parts of the top are written.
    """

    def __init__(
        self, layer: Layer, bottom: Blobs, top: Blobs, wanted: bool = True, forward_reads_it: bool = False
    ) -> None:
        self._layer = layer
        self._forward_reads_it = forward_reads_it
        self._copy = layer.new_blob(bottom[0].shape) if top[0] is bottom[0] and wanted else None

    def data(self, bottom: Blobs, shape: Shape | None = None) -> Array:
        """Return what has the values after forward: the bottom's own array, or the copy that forward is to fill.

        It is seen as an array of `shape`, by default the bottom's.
        """
        needed = self._layer.need_backward or self._forward_reads_it
        array = bottom[0].data if self._copy is None or not needed else self._copy.data
        return array if shape is None else array.reshape(shape)

    def fill(self, bottom: Blobs) -> Array:
        """Copy the values, unless the bottom keeps them or nobody needs them; return `data`."""
        kept = self.data(bottom)
        if kept is not bottom[0].data:
            kept[...] = bottom[0].data
        return kept
