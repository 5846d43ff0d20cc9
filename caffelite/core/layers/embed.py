"""Embed: a row of a learned table for each index. Source: src/caffe/layers/embed_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.kernels import broadcast
from caffelite.core.kernels.scatter_add import add_rows
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer


@register_layer("Embed")
class EmbedLayer(Layer):
    """Look up each value of the bottom, an index, in a table, and add a bias.

    bottom[0]: any shape; indices from 0 to input_dim - 1, fractions cut off.
    top[0]:    the bottom's shape and num_output as a further axis.
    blobs[0]:  weight (input_dim, num_output); blobs[1]: bias (num_output) if bias_term.

    Raises LayerError if num_output or input_dim is 0, for an index out of range, and when asked for the gradient of
    the indices.
    """

    messages = ("embed_param",)
    formula = (
        "y[i] = w[x[i]] (+ b): row x[i] of a table of {embed_param.input_dim} rows of "
        "{embed_param.num_output} values; bias_term: {embed_param.bias_term}"
    )
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make weight and bias."""
        param = self.layer_param.embed_param
        for field in ("num_output", "input_dim"):
            if getattr(param, field) == 0:
                raise LayerError(f"embed_param.{field}", 0, "use 1 or more")
        specs = [BlobSpec((param.input_dim, param.num_output), param.weight_filler)]
        if param.bias_term:
            specs.append(BlobSpec((param.num_output,), param.bias_filler))
        self.init_params(specs)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        num_output = self.layer_param.embed_param.num_output
        top[0].reshape(*bottom[0].shape, num_output)
        self._rows = (bottom[0].count, num_output)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        rows = top[0].data.reshape(self._rows)
        np.take(self.blobs[0].data, self._indices(bottom), axis=0, out=rows, mode="clip")  # which needs no buffer
        if self.layer_param.embed_param.bias_term:
            columns, bias = rows.reshape(*self._rows, 1), self.blobs[1].data
            broadcast.forward(broadcast.Add(), columns, bias, bias, columns, columns)

    def _indices(self, bottom: Blobs) -> Array:
        values, limit = bottom[0].data.reshape(-1), self.layer_param.embed_param.input_dim
        wrong = ~((values > -1) & (values < limit))  # NaN is wrong, too
        if wrong.any():
            place = int(np.argmax(wrong))
            raise LayerError(
                f"index {place} of bottom[0]",
                f"{values[place]:g}",
                f"the table has rows 0 to {limit - 1}; raise embed_param.input_dim or mend the indices",
            )
        indices: Array = values.astype(np.int64)
        return indices

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Add to the gradients of weight and bias."""
        if propagate_down[0]:
            raise LayerError(
                "propagate_down[0]", "true", "Embed cannot backpropagate to indices; write propagate_down: false"
            )
        rows = top[0].diff.reshape(self._rows)
        if self.param_propagate_down[0]:
            add_rows(rows, self._indices(bottom), self.blobs[0].diff)
        if self.layer_param.embed_param.bias_term and self.param_propagate_down[1]:
            columns, bias = rows.reshape(*self._rows, 1), self.blobs[1]
            broadcast.backward(broadcast.Multiply(), columns, bias.data, columns, None, bias.diff, None)

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Refuse: indices get no gradient."""
        return False
