"""Reshape: the same values in another shape. Source: src/caffe/layers/reshape_layer.cpp."""

from __future__ import annotations

from math import prod

from caffelite.core.blob import Shape
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, Layer, TopMemory, register_layer
from caffelite.proto import caffe_pb2


def is_pixel_shuffler(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether the layer moves channels into the plane, as Intel's may, instead of giving values another shape."""
    return layer.reshape_param.pixelshuffler != 1


@register_layer("Reshape")
class ReshapeLayer(Layer):
    """Put the sizes of `shape` in place of num_axes axes from `axis` on; the values stay where they are.

    bottom[0]: any shape.
    top[0]:    the sizes before `axis`, those of `shape`, the sizes behind; as many values. In `shape`, 0 copies the
               size of the bottom's axis at that place, and one -1 is what is left. axis -1 is behind the last axis,
               num_axes -1 means all axes from `axis` on. Its data is the bottom's memory.

    Raises LayerError for axes that the bottom lacks, a shape of another count, and for in-place use.
    """

    messages = ("reshape_param",)
    formula = "y = x, its values in the shape {top[0].shape}"
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if top[0] is bottom[0]:
            raise LayerError("top", "the bottom itself", "Reshape does not work in place; give its top another name")
        shape = self._top_shape(bottom[0].shape)
        if prod(shape) != bottom[0].count:
            raise LayerError(
                "reshape_param.shape",
                self._written(),
                f"output count must match input count: {shape_string(bottom[0].shape)} would become "
                f"{shape_string(shape)}; one dim may be -1, for what is left",
            )
        top[0].reshape(*shape)

    def _top_shape(self, bottom: Shape) -> Shape:
        start, end = self._replaced_axes(bottom)
        dims = list(self.layer_param.reshape_param.shape.dim)
        for place, dim in enumerate(dims):
            if dim < -1:
                raise LayerError(
                    f"reshape_param.shape.dim[{place}]", dim, "use a size, 0 (copied) or -1 (what is left)"
                )
            if dim == 0:
                if start + place >= len(bottom):
                    raise LayerError(
                        f"reshape_param.shape.dim[{place}]",
                        0,
                        f"it copies axis {start + place} of a bottom of shape {shape_string(bottom)}, which lacks it",
                    )
                dims[place] = bottom[start + place]
        if dims.count(-1) > 1:
            raise LayerError("reshape_param.shape", self._written(), "only one dim may be -1, what is left")
        if -1 in dims:
            known = prod(bottom[:start]) * prod(dim for dim in dims if dim != -1) * prod(bottom[end:])
            if known == 0 or prod(bottom) % known:
                raise LayerError(
                    "reshape_param.shape",
                    self._written(),
                    f"{prod(bottom)} values, a bottom of {shape_string(bottom)}, cannot be divided by the product of "
                    f"the other sizes, {known}",
                )
            dims[dims.index(-1)] = prod(bottom) // known
        return (*bottom[:start], *dims, *bottom[end:])

    def _replaced_axes(self, bottom: Shape) -> tuple[int, int]:
        """Return the first of the axes that are replaced, and the first behind them."""
        param, count = self.layer_param.reshape_param, len(bottom)
        start = param.axis if param.axis >= 0 else count + param.axis + 1
        if not 0 <= start <= count:
            raise LayerError(
                "reshape_param.axis",
                param.axis,
                f"for a bottom of shape {shape_string(bottom)} use {-count - 1} to {count}; -1 is behind the last axis",
            )
        if param.num_axes < -1 or start + param.num_axes > count:
            raise LayerError(
                "reshape_param.num_axes",
                param.num_axes,
                f"a bottom of shape {shape_string(bottom)} has {count - start} axes from axis {start} on; -1 means all",
            )
        return start, count if param.num_axes == -1 else start + param.num_axes

    def _written(self) -> str:
        return " ".join(map(str, self.layer_param.reshape_param.shape.dim)) or "empty"

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the top is the bottom's memory."""
        return TopMemory.BOTTOM

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Let the top use the bottom's memory, which may have moved since the last pass."""
        top[0].share_data(bottom[0])

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's."""
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff.reshape(bottom[0].shape)
