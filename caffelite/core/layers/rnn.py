"""RNN: a plain recurrent net. Source: src/caffe/layers/rnn_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.costs import Product
from caffelite.core.kernels import neuron_functions
from caffelite.core.layer import Blobs, BlobSpec, register_layer
from caffelite.core.layers.shared.recurrent import RecurrentLayer
from caffelite.core.layers.shared.recurrent_log import InnerNames, Line

TANH = neuron_functions.TanH()


@register_layer("RNN")
class RNNLayer(RecurrentLayer):
    """Read sequences: h_t = tanh(W_xh x_t + b_h + W_hh h_{t-1}), and the output o_t = tanh(W_ho h_t + b_o).

    h before the first step is that which the last forward pass left, or 0. cont_t = 0 begins a new sequence: h is
    first set to 0.

    bottom[0]: (T, N, ...), x: T time steps of N streams, K values each.
    bottom[1]: (T, N), cont: 0 where a sequence begins, 1 where it goes on.
    bottom[2]: optional, (N, ...): Ks further inputs, the same in all steps.
    top[0]: (T, N, num_output), o of all steps.
    blobs: W_xh (num_output, K), b_h (num_output), with bottom[2] W_xh_static (num_output, Ks), then
    W_hh (num_output, num_output), W_ho (num_output, num_output), b_o (num_output).

    Learns within a batch only: no gradient reaches the batch before. T may not change after set-up, N may; streams
    that a smaller batch lacks keep their state, a batch with more streams than ever begins all with 0.
    Raises LayerError for other shapes, a num_output of 0, and when asked for the gradient of cont.
    """

    messages = ("recurrent_param",)
    formula = (
        "h_t = tanh(W_xh x_t + b_h + W_hh (cont_t * h_(t-1))), y_t = tanh(W_ho h_t + b_o); "
        "{layer.sizes.time_steps} steps "
        "of {layer.sizes.streams} streams, x_t of {layer.sizes.item_count} values, h_t of {layer.num_output}"
    )
    num_gates = 1
    names = InnerNames(
        states=("h",),
        params=("W_xh", "b_h", "W_xh_static", "W_hh"),
        product="W_hh_h_{before}",
        total="h_input_sum_{t}",
        total_top="h_neuron_input_{t}",
        step="h_neuron_{t}",
    )

    def matrix_products(self, bottom: Blobs, top: Blobs) -> list[Product]:
        """Return those of all recurrent layers, and those with W_ho."""
        rows, size = self.sizes.time_steps * self.sizes.streams, self.num_output
        square = (size, size)
        return [
            *super().matrix_products(bottom, top),
            Product("output before tanh", "h", (rows, size), "W_ho^T", square, is_forward=True),
            Product("gradient of W_ho", "output gradient^T", (size, rows), "h", (rows, size)),
            Product("gradient of h", "output gradient", (rows, size), "W_ho", square),
        ]

    def output_specs(self) -> list[BlobSpec]:
        """Return W_ho and b_o."""
        param, size = self.layer_param.recurrent_param, self.num_output
        return [BlobSpec((size, size), param.weight_filler), BlobSpec((size,), param.bias_filler)]

    def shape_inside(self, shape: Shape) -> None:
        """Make room for the outputs, apart from the top: a layer that works in place there must not change them."""
        self.output = self.new_blob(shape)

    @property
    def _output_params(self) -> tuple[Blob, Blob]:
        return self.blobs[-2], self.blobs[-1]

    def step_forward(self, t: int, gate_input: Array, cont: Array, hidden: Array) -> None:
        """Fill h with the hyperbolic tangent of the sums."""
        neuron_functions.forward(TANH, gate_input, gate_input, hidden)

    def output_input(self) -> Array:
        """Return W_ho h + b_o of all steps, a row for each step of each stream."""
        weight, bias = self._output_params
        rows = np.empty(self.rows(self.output.data).shape, self.dtype)
        self.products.forward(self.rows(self.hidden.data), weight.data, bias.data, False, rows)
        return rows

    def make_output(self, top: Blob) -> None:
        """Fill the top with o."""
        rows = self.output_input()
        neuron_functions.forward(TANH, rows, rows, self.rows(self.output.data))
        top.data[...] = self.output.data

    def output_diff(self, top: Blob) -> Array:
        """Return the gradient that o sends to h; add to those of W_ho and b_o."""
        weight, bias = self._output_params
        neuron_functions.backward(TANH, self.output.data, top.diff, self.output.diff)
        diff, to_hidden = self.rows(self.output.diff), np.empty(self.hidden.shape, self.dtype)
        self.products.weight_diff(self.rows(self.hidden.data), diff, False, weight.diff)
        self.products.bias_diff(diff, bias.diff)
        self.products.bottom_diff(diff, weight.data, False, self.rows(to_hidden))
        return to_hidden

    def step_backward(self, t: int, hidden_diff: Array, gate_input_diff: Array) -> None:
        """Fill the gradient of the sums."""
        neuron_functions.backward(TANH, self.hidden.data[t], hidden_diff, gate_input_diff)

    def inner_states(self, t: int) -> list[tuple[str, Array]]:
        """Return what step t makes, for debug_info."""
        return [(f"h_{t}", self.hidden.data[t - 1])]

    def inner_output(self) -> Iterator[Line]:
        """Give the output's part of debug_info."""
        steps = range(1, self.sizes.time_steps + 1)
        weight, bias = self._output_params
        for t, values in zip(steps, self.output_input().reshape(self.output.shape), strict=True):
            yield Line(f"W_ho_h_{t}", f"top blob W_ho_h_{t}", values)
            yield Line(f"W_ho_h_{t}", "param blob W_ho", weight.data)
            yield Line(f"W_ho_h_{t}", "param blob b_o", bias.data)
            yield Line(f"o_neuron_{t}", f"top blob o_{t}", self.output.data[t - 1])
        yield Line("o_concat", "top blob o", self.output.data)

    def inner_output_diffs(self, top: Blob) -> Iterator[Line]:
        """Give the output's part of the gradients in debug_info."""
        for t in range(self.sizes.time_steps, 0, -1):
            yield Line("o_concat", f"bottom blob o_{t}", top.diff[t - 1])
            yield Line(f"o_neuron_{t}", f"bottom blob W_ho_h_{t}", self.output.diff[t - 1])
        for index, param in enumerate(self._output_params):
            yield Line("W_ho_h_1", f"param blob {index}", param.diff)


@register_layer("RNN", when=lambda layer: layer.recurrent_param.expose_hidden)
class ExposedRNNLayer(RNNLayer):
    """An RNN (expose_hidden) that is given its state in each pass and gives it away; nothing is carried over.

    bottom[0], bottom[1], optionally bottom[2]: as of RNN without expose_hidden; then one more:
    bottom[-1]: h before the first step, (1, N, num_output).
    top[0]: (T, N, num_output), o of all steps.
    top[1]: (1, N, num_output), h after the last step.

    As in Caffe no gradient flows through the state: what reads top[1] does not train this layer, and what made the
    initial state is not trained by it.
    """

    messages = ("recurrent_param",)
    min_bottom_blobs = 3
    max_bottom_blobs = 4
    exact_num_top_blobs = 2
    expose_hidden = True
