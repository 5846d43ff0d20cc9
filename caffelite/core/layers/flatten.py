"""Flatten: several axes made one. Source: src/caffe/layers/flatten_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, TopMemory, register_layer


@register_layer("Flatten")
class FlattenLayer(Layer):
    """Join the axes from `axis` to `end_axis`, both included, into one; the values stay where they are.

    bottom[0]: any shape with axis `axis`.
    top[0]:    the axes before `axis`, their product, the axes after `end_axis`; an axis of 1 is inserted if end_axis is
               just before axis. Its data is the bottom's memory. Where Caffe loses the gradient of a bottom that shares
               its memory with a blob below, it arrives here.

    Raises LayerError for axes that the bottom lacks, for end_axis < axis - 1, and for in-place use.
    """

    messages = ("flatten_param",)
    formula = "y = x, its values in the shape {top[0].shape}"
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if top[0] is bottom[0]:
            raise LayerError("top", "the bottom itself", "Flatten does not work in place; give its top another name")
        param = self.layer_param.flatten_param
        start = self.canonical_axis(bottom[0], param.axis, "flatten_param.axis")
        end = self.canonical_axis(bottom[0], param.end_axis, "flatten_param.end_axis")
        if end < start - 1:
            raise LayerError("flatten_param.end_axis", param.end_axis, f"it must not be before axis, which is {start}")
        shape = bottom[0].shape
        top[0].reshape(*shape[:start], bottom[0].count_between(start, end + 1), *shape[end + 1 :])

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the top is the bottom's memory."""
        return TopMemory.BOTTOM

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Let the top use the bottom's memory."""
        top[0].share_data(bottom[0])

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the top's."""
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff.reshape(bottom[0].shape)
