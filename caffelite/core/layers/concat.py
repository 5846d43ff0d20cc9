"""Concat: blobs joined along one axis. Source: src/caffe/layers/concat_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator

from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.kernels.elementwise import copy_blocks
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Concat")
class ConcatLayer(Layer):
    """Put blobs one after the other along `axis`.

    bottom[i]: shapes that are equal but for the size of `axis`.
    top[0]:    that shape, with the sizes of `axis` added up.

    Raises LayerError for shapes that differ elsewhere, for both axis and concat_dim, and for in-place use.
    """

    messages = ("concat_param",)
    handles_in_place = True
    min_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms' shapes and shape the top."""
        if top[0] in bottom and len(bottom) > 1:
            raise LayerError("top", "one of the bottoms", "Concat does not work in place; give its top another name")
        self.axis = self._axis(bottom[0])
        first = bottom[0].shape
        for index, blob in enumerate(bottom):
            shape = blob.shape
            if len(shape) != len(first) or _without(shape, self.axis) != _without(first, self.axis):
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(shape),
                    f"all sizes but that of axis {self.axis} must be those of bottom[0], {shape_string(first)}",
                )
        joined = sum(blob.shape[self.axis] for blob in bottom)
        top[0].reshape(*first[: self.axis], joined, *first[self.axis + 1 :])

    def _axis(self, blob: Blob) -> int:
        param = self.layer_param.concat_param
        if not param.HasField("concat_dim"):
            return self.canonical_axis(blob, param.axis, "concat_param.axis")
        if param.HasField("axis"):
            raise LayerError(
                "concat_param.concat_dim", param.concat_dim, "either axis or concat_dim, not both; use axis"
            )
        return self.canonical_axis(blob, param.concat_dim, "concat_param.concat_dim")

    def _parts(self, bottom: Blobs) -> Iterator[tuple[int, int, int]]:
        """Give, for each bottom, its number, where its first run lies in the top, and the length of each run."""
        start = 0
        for index, blob in enumerate(bottom):
            size = blob.count_between(self.axis)
            yield index, start, size
            start += size

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the sizes that are joined."""
        sizes = " + ".join(str(blob.shape[self.axis]) for blob in bottom)
        return f"y = the bottoms one after the other along axis {self.axis}: {sizes} = {top[0].shape[self.axis]}"

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the bottoms into the top."""
        runs, step = top[0].count_between(0, self.axis), top[0].count_between(self.axis)
        for index, start, size in self._parts(bottom):
            copy_blocks(bottom[index].data, 0, size, top[0].data, start, step, runs, size)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottoms' gradients with their parts of the top's."""
        runs, step = top[0].count_between(0, self.axis), top[0].count_between(self.axis)
        for index, start, size in self._parts(bottom):
            if propagate_down[index]:
                copy_blocks(top[0].diff, start, step, bottom[index].diff, 0, size, runs, size)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
