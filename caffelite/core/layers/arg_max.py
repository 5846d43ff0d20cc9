"""ArgMax: where the largest values are. Source: src/caffe/layers/argmax_layer.cpp."""

from __future__ import annotations

from math import prod

from caffelite.core.errors import LayerError
from caffelite.core.kernels.top_k import k_largest
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("ArgMax")
class ArgMaxLayer(Layer):
    """Give the places of the top_k largest values, in descending order; of equal ones the last comes first.

    bottom[0]: (N, ...).
    top[0]: (N, 1, top_k), filled up with axes of 1 to those of the bottom; the places count in the flat item. With
            out_max_val (N, 2, top_k), the second row being the values. With `axis` the bottom's shape, that axis being
            top_k long, and places along it, or with out_max_val the values alone.

    Places are floats: exact up to 2^24 in float32. Raises LayerError for a top_k of 0 or beyond the number of values,
    and when asked for a gradient.
    """

    messages = ("argmax_param",)
    formula = "y = places of the {argmax_param.top_k} largest of {layer.around[1]} values, the largest first"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    has_backward = False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check top_k and shape the top."""
        param, shape = self.layer_param.argmax_param, bottom[0].shape
        self.axis: int | None = None
        if param.HasField("axis"):
            self.axis = self.canonical_axis(bottom[0], param.axis, "argmax_param.axis")
            self.around = (prod(shape[: self.axis]), shape[self.axis], prod(shape[self.axis + 1 :]))
            top_shape = [*shape[: self.axis], param.top_k, *shape[self.axis + 1 :]]
        else:
            if not shape:
                raise LayerError("bottom[0]", "a scalar", "without axis, ArgMax needs a batch axis")
            self.around = (shape[0], prod(shape[1:]), 1)
            top_shape = [shape[0], 2 if param.out_max_val else 1, param.top_k] + [1] * (len(shape) - 3)
        if not 1 <= param.top_k <= self.around[1]:
            raise LayerError("argmax_param.top_k", param.top_k, f"use 1 to {self.around[1]}, the number of values")
        top[0].reshape(*top_shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        param = self.layer_param.argmax_param
        data = bottom[0].data.reshape(self.around)
        result = (self.around[0], param.top_k, self.around[2])
        if self.axis is not None:
            out = top[0].data.reshape(result)
            k_largest(data, None if param.out_max_val else out, out if param.out_max_val else None)
            return
        rows = top[0].data.reshape(self.around[0], 2 if param.out_max_val else 1, param.top_k, 1)
        k_largest(data, rows[:, 0], rows[:, 1] if param.out_max_val else None)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Refuse: a place has no gradient."""
        raise LayerError("propagate_down", "true", "ArgMax has no gradient; end what is trained before it")
