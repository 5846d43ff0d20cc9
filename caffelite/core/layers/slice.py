"""Slice: one blob cut along one axis. Source: src/caffe/layers/slice_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator

from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.kernels.elementwise import copy_blocks
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Slice")
class SliceLayer(Layer):
    """Cut a blob along `axis`, at each slice_point or into equal parts.

    bottom[0]: any shape with axis `axis`.
    top[i]:    that shape, `axis` being as long as the part.

    Raises LayerError for slice points that do not ascend inside the axis or are not one fewer than the tops, for an
    axis that cannot be divided equally, for both axis and slice_dim, and for in-place use.
    """

    messages = ("slice_param",)
    handles_in_place = True
    exact_num_bottom_blobs = 1
    min_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the cuts and shape the tops."""
        if any(blob is bottom[0] for blob in top):
            raise LayerError("top", "the bottom itself", "Slice does not work in place; give its tops other names")
        self.axis = self._axis(bottom[0])
        shape = bottom[0].shape
        cuts = self._cuts(shape[self.axis], len(top))
        for blob, start, end in zip(top, cuts, cuts[1:], strict=False):
            blob.reshape(*shape[: self.axis], end - start, *shape[self.axis + 1 :])

    def _axis(self, blob: Blob) -> int:
        param = self.layer_param.slice_param
        if not param.HasField("slice_dim"):
            return self.canonical_axis(blob, param.axis, "slice_param.axis")
        if param.HasField("axis"):
            raise LayerError("slice_param.slice_dim", param.slice_dim, "either axis or slice_dim, not both; use axis")
        return self.canonical_axis(blob, param.slice_dim, "slice_param.slice_dim")

    def _cuts(self, size: int, tops: int) -> list[int]:
        """Return where the parts begin, and the end of the last one."""
        points = list(self.layer_param.slice_param.slice_point)
        if not points:
            if size % tops:
                raise LayerError(
                    "top",
                    f"given {tops} times",
                    f"axis {self.axis} of size {size} has no {tops} equal parts; write slice_point",
                )
            return list(range(0, size + 1, size // tops)) if size else [0] * (tops + 1)
        if len(points) != tops - 1:
            raise LayerError(
                "slice_param.slice_point",
                f"given {len(points)} times",
                f"{tops} tops need {tops - 1} points between them",
            )
        cuts = [0, *points, size]
        for place, (start, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
            if start >= end:
                wrong = min(place, len(points) - 1)
                raise LayerError(
                    f"slice_param.slice_point[{wrong}]",
                    points[wrong],
                    f"the points must ascend from 1 to at most {size - 1}, the size of axis {self.axis} being {size}",
                )
        return cuts

    def _parts(self, bottom: Blob, top: Blobs) -> Iterator[tuple[Blob, int, int]]:
        """Give, for each top, where its first block begins in the bottom and how large its blocks are."""
        start = 0
        for blob in top:
            size = blob.count_between(self.axis)
            yield blob, start, size
            start += size

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the sizes of the parts."""
        sizes = " + ".join(str(blob.shape[self.axis]) for blob in top)
        return f"y = the parts of x along axis {self.axis}, one for each top: {bottom[0].shape[self.axis]} = {sizes}"

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the parts into the tops."""
        outer, step = bottom[0].count_between(0, self.axis), bottom[0].count_between(self.axis)
        for blob, start, size in self._parts(bottom[0], top):
            copy_blocks(bottom[0].data, start, step, blob.data, 0, size, outer, size)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the tops', put together."""
        if propagate_down[0]:
            outer, step = bottom[0].count_between(0, self.axis), bottom[0].count_between(self.axis)
            for blob, start, size in self._parts(bottom[0], top):
                copy_blocks(blob.diff, 0, size, bottom[0].diff, start, step, outer, size)
