"""LSTM: long short-term memory. Source: src/caffe/layers/lstm_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.kernels.lstm_unit import lstm_unit_backward, lstm_unit_forward
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.recurrent import RecurrentLayer
from caffelite.core.layers.shared.recurrent_log import InnerNames, Line


@register_layer("LSTM")
class LSTMLayer(RecurrentLayer):
    """Read sequences with gated cells: i, f, o = sigmoid and g = tanh of linear maps of x_t and h_{t-1}.

    c_t = f * c_{t-1} + i * g and h_t = o * tanh(c_t), h and c before the first step being those that the last forward
    pass left, or 0. cont_t = 0 begins a new sequence: h and c are first set to 0.

    bottom[0]: (T, N, ...), x: T time steps of N streams, K values each.
    bottom[1]: (T, N), cont: 0 where a sequence begins, 1 where it goes on.
    bottom[2]: optional, (N, ...): Ks further inputs, the same in all steps.
    top[0]: (T, N, num_output), h of all steps.
    blobs: W_xc (4 num_output, K), b_c (4 num_output), with bottom[2] W_xc_static (4 num_output, Ks), then
    W_hc (4 num_output, num_output). The rows belong to i, f, o, g, in this order.

    Learns within a batch only: no gradient reaches the batch before. T may not change after set-up, N may; streams
    that a smaller batch lacks keep their state, a batch with more streams than ever begins all with 0.
    Raises LayerError for other shapes, a num_output of 0, and when asked for the gradient of cont.
    """

    messages = ("recurrent_param",)
    formula = (
        "i, f, o = sigmoid and g = tanh of W_xc x_t + b_c + W_hc (cont_t * h_(t-1)); "
        "c_t = cont_t * f * c_(t-1) + i * g, "
        "y_t = h_t = o * tanh(c_t); {layer.sizes.time_steps} steps of {layer.sizes.streams} streams, x_t of "
        "{layer.sizes.item_count} values, h_t of {layer.num_output}"
    )
    num_gates = 4
    names = InnerNames(
        states=("h", "c"),
        params=("W_xc", "b_c", "W_xc_static", "W_hc"),
        product="transform_{t}",
        total="gate_input_{t}",
        total_top="gate_input_{t}",
        step="unit_{t}",
    )

    def shape_inside(self, shape: Shape) -> None:
        """Make room for the gates of all steps, and for the cells, those before the first step in front."""
        steps, streams, size = shape
        self.cells = self.new_blob((steps + 1, streams, size))
        self.tanh_cells = np.empty(shape, self.dtype)
        self.gate = np.empty(self.gate_input.shape, self.dtype)

    def begin(self, initial: list[Array]) -> None:
        """Put the last batch's cells in front."""
        self.cells.data[0] = initial[1]

    def step_forward(self, t: int, gate_input: Array, cont: Array, hidden: Array) -> None:
        """Make gates, cells and h."""
        cells = self.cells.data
        lstm_unit_forward(cells[t], gate_input, cont, self.gate[t], cells[t + 1], self.tanh_cells[t], hidden)

    def make_output(self, top: Blob) -> None:
        """Copy h: a layer that works in place on the top must not change the state."""
        top.data[...] = self.hidden.data

    def final_states(self) -> list[Array]:
        """Return h and c of the last step."""
        return [self.hidden.data[-1], self.cells.data[-1]]

    def output_diff(self, top: Blob) -> Array:
        """Return the top's gradient; the cells after the last step get none."""
        self.cells.diff[-1] = 0
        return top.diff

    def step_backward(self, t: int, hidden_diff: Array, gate_input_diff: Array) -> None:
        """Fill the gradients of the gates' inputs and of the cells before the step."""
        cells, diff = self.cells.data, self.cells.diff
        lstm_unit_backward(
            cells[t], self.gate[t], self.tanh_cells[t], diff[t + 1], hidden_diff, diff[t], gate_input_diff
        )

    def inner_states(self, t: int) -> list[tuple[str, Array]]:
        """Return what step t makes, for debug_info."""
        return [(f"c_{t}", self.cells.data[t]), (f"h_{t}", self.hidden.data[t - 1])]

    def inner_output(self) -> Iterator[Line]:
        """Give the output's part of debug_info."""
        yield Line("h_concat", "top blob h", self.hidden.data)

    def inner_output_diffs(self, top: Blob) -> Iterator[Line]:
        """Give the output's part of the gradients in debug_info."""
        for t in range(1, self.sizes.time_steps + 1):
            yield Line("h_concat", f"bottom blob h_{t}", top.diff[t - 1])


@register_layer("LSTM", when=lambda layer: layer.recurrent_param.expose_hidden)
class ExposedLSTMLayer(LSTMLayer):
    """An LSTM (expose_hidden) that is given its state in each pass and gives it away; nothing is carried over.

    bottom[0], bottom[1], optionally bottom[2]: as of LSTM without expose_hidden; then two more:
    bottom[-2], bottom[-1]: h and c before the first step, (1, N, num_output) each.
    top[0]: (T, N, num_output), h of all steps.
    top[1], top[2]: h and c after the last step, (1, N, num_output) each.

    As in Caffe no gradient flows through the states: what reads top[1] and top[2] does not train this layer, and
    what made the initial states is not trained by it.
    """

    messages = ("recurrent_param",)
    min_bottom_blobs = 4
    max_bottom_blobs = 5
    exact_num_top_blobs = 3
    expose_hidden = True
