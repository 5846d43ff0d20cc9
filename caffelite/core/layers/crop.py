"""Crop: a part of a blob, as large as another blob. Source: src/caffe/layers/crop_layer.cpp."""

from __future__ import annotations

from fractions import Fraction

from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.layer import Blobs, Layer, register_layer

MANY = 2  # of which one would be at the start, if the part were in the middle


@register_layer("Crop")
class CropLayer(Layer):
    """Take the part of bottom[0] that begins at `offset` and is as large as bottom[1], on `axis` and all after it.

    bottom[0]: any shape with axis `axis`.
    bottom[1]: as many axes or more; only the sizes from `axis` on matter. Its gradient is zero.
    top[0]:    the sizes of bottom[0] before `axis`, of bottom[1] from there on.

    Raises LayerError if bottom[1] lacks an axis or does not fit behind the offset, for a number of offsets other than
    0, 1 or that of the cropped axes, and for in-place use.
    """

    messages = ("crop_param",)
    handles_in_place = True
    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the part and shape the top."""
        if top[0] is bottom[0]:
            raise LayerError("top", "the bottom itself", "Crop does not work in place; give its top another name")
        axis = self.canonical_axis(bottom[0], self.layer_param.crop_param.axis, "crop_param.axis")
        offsets = self._offsets(bottom[0].num_axes - axis)
        whole, wanted = bottom[0].shape, bottom[1].shape
        if len(wanted) < len(whole):
            raise LayerError(
                "bottom[1]", shape_or_scalar(wanted), f"it needs the axes of bottom[0], {shape_string(whole)}"
            )
        for at, offset in enumerate(offsets, axis):
            if offset + wanted[at] > whole[at]:
                raise LayerError(
                    "crop_param.offset",
                    offset,
                    f"axis {at} of bottom[0] has size {whole[at]}, which is less than offset + {wanted[at]}, the size "
                    "of bottom[1]",
                )
        self._warn_of_no_offset([size - of for size, of in zip(whole[axis:], wanted[axis:], strict=False)])
        self._part = (slice(None),) * axis
        self._part += tuple(slice(offset, offset + wanted[at]) for at, offset in enumerate(offsets, axis))
        top[0].reshape(*whole[:axis], *wanted[axis : len(whole)])

    def _offsets(self, axes: int) -> list[int]:
        """Return an offset for each of the cropped axes."""
        offsets = list(self.layer_param.crop_param.offset) or [0]
        if len(offsets) not in (1, axes):
            raise LayerError(
                "crop_param.offset", f"given {len(offsets)} times", f"give 1 for all, or one for each of {axes} axes"
            )
        return offsets * axes if len(offsets) == 1 else offsets

    def _warn_of_no_offset(self, beyond: list[int]) -> None:
        """Say once a net that nothing is cut off at the start: files of forks that aligned by themselves look so."""
        if self.layer_param.crop_param.offset or max(beyond, default=0) < MANY:
            return
        self.warn_once(
            "crop_offset",
            f"crop_param.offset is not given, so {max(beyond)} of an axis are cut off at its end and none at its "
            "start, as in Caffe; the Caffe of FCN, HED and CRF-RNN aligned the two by itself: of their files write the "
            "offset that caffelite.coord_map.crop finds, else offset: 0. Further layers of this net may be alike",
        )

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the part's bounds."""
        bounds = (":" if part.start is None else f"{part.start}:{part.stop}" for part in self._part)
        return f"y = x[{', '.join(bounds)}]"

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return the pixel itself; of bottom[1] nothing is read but the shape."""
        return (
            Reach((1,) * len(bottom[0].shape[2:]), (Fraction(1),) * len(bottom[0].shape[2:]))
            if bottom_index == 0
            else None
        )

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the part."""
        top[0].data[...] = bottom[0].data[self._part]

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradient of bottom[0]: the top's in the part, 0 elsewhere."""
        if propagate_down[0]:
            bottom[0].diff.fill(0)
            bottom[0].diff[self._part] = top[0].diff
        if propagate_down[1]:
            bottom[1].diff.fill(0)
