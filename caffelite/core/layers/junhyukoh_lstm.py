"""Lstm: not BVLC's LSTM; text detectors use it. Source: junhyukoh/caffe-lstm, tianzhi0549/CTPN, lstm_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.costs import Product
from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.inner_product import PRODUCTS
from caffelite.core.kernels.lstm_unit import lstm_unit_backward, lstm_unit_forward
from caffelite.core.layer import Blobs, BlobSpec, Layer, State, register_layer

GATES = 4


@register_layer("Lstm")
class LstmLayer(Layer):
    """Read sequences with gated cells: i, f, o = sigmoid and g = tanh of W_x x_t + W_h h_{t-1} + b.

    c_t = f * c_{t-1} + i * g and h_t = o * tanh(c_t); h and c before the first step are 0.

    bottom[0]: (T, N, D) if batch_size is not given or is N, else (T * N, ...) with N = batch_size, row t * N + n being
               step t of stream n and D the values of a row.
    bottom[1]: optional, T * N numbers: 0 where a sequence begins, with h and c as 0, others where it goes on. With it
               h and c before the first step are those that the last forward left, unless N has changed.
    top[0]:    h of all steps, (T, N, num_output) or (T * N, num_output) as the bottom is.
    blobs:     W_x (4 num_output, D), W_h (4 num_output, num_output), b (4 num_output); rows in the order i, f, o, g.

    clipping_threshold > 0 bounds the gradients of the gates' inputs at each step, so that they are no derivative then.
    Learns within a batch only. Raises LayerError for other shapes, and when asked for the gradient of bottom[1].
    """

    messages = ("lstm_param",)
    fork: ClassVar[str] = "junhyukoh/caffe-lstm"
    formula = (
        "i, f, o = sigmoid and g = tanh of W_x x_t + W_h (cont_t * h_(t-1)) + b; c_t = cont_t * f * c_(t-1) + i * g, "
        "y_t = h_t = o * tanh(c_t); {layer.steps} steps of {layer.streams} streams, x_t of {layer.item_count} values, "
        "h_t of {layer.num_output}"
    )
    min_bottom_blobs = 1
    max_bottom_blobs = 2
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the parameters; begin all streams with zeros."""
        param = self.layer_param.lstm_param
        for name in ("num_output", "batch_size"):
            if getattr(param, name) == 0:
                raise LayerError(f"lstm_param.{name}", 0, "use 1 or more")
        if param.clipping_threshold < 0:
            raise LayerError(
                "lstm_param.clipping_threshold", f"{param.clipping_threshold:g}", "use 0 for none, or more"
            )
        self.num_output, self.products = param.num_output, PRODUCTS[self.dtype]
        self.item_count = self._sizes(bottom)[2]
        gates = GATES * self.num_output
        self.init_params(
            [
                BlobSpec((gates, self.item_count), param.weight_filler),
                BlobSpec((gates, self.num_output), param.weight_filler),
                BlobSpec((gates,), param.bias_filler),
            ]
        )
        self.state = np.zeros((2, 0, self.num_output), self.dtype)  # h and c

    def _sizes(self, bottom: Blobs) -> tuple[int, int, int, Shape]:
        """Return steps, streams, values of a row, and the axes of the top before the last."""
        param, shape = self.layer_param.lstm_param, bottom[0].shape
        if len(shape) == 3 and (not param.HasField("batch_size") or param.batch_size == shape[1]):
            return shape[0], shape[1], shape[2], shape[:2]
        streams: int = param.batch_size
        if len(shape) < 2 or shape[0] % streams:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(shape),
                f"use (T, N, D), or (T * N, ...), a first axis that is a multiple of lstm_param.batch_size, {streams}",
            )
        return shape[0] // streams, streams, bottom[0].count_between(1), shape[:1]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms; shape the top and what backward needs. Steps and streams may change."""
        steps, streams, items, leading = self._sizes(bottom)
        if items != self.item_count:
            raise LayerError(
                "bottom[0]", shape_or_scalar(bottom[0].shape), f"the weights are for rows of {self.item_count} values"
            )
        if len(bottom) > 1 and bottom[1].count != steps * streams:
            raise LayerError(
                "bottom[1]",
                shape_or_scalar(bottom[1].shape),
                f"use one number for each step of each stream, {steps} x {streams}",
            )
        self.steps, self.streams = steps, streams
        top[0].reshape(*leading, self.num_output)
        shape = (steps, streams, self.num_output)
        self.cells = np.full((steps + 1, *shape[1:]), np.nan, self.dtype)  # until the first forward, as all these
        self.tanh_cells, self.hidden, self.before = np.full((3, *shape), np.nan, self.dtype)
        self.gate = np.full((steps, streams, GATES * self.num_output), np.nan, self.dtype)
        self.cont = np.full((steps, streams), np.nan, self.dtype)

    def multiply_adds(self, bottom: Blobs, top: Blobs) -> int:
        """Return each weight once for each step of each stream."""
        return self.steps * self.streams * (self.blobs[0].count + self.blobs[1].count)

    def matrix_products(self, bottom: Blobs, top: Blobs) -> list[Product]:
        """Return the products with W_x and W_h, and the gradients that they make."""
        rows, gates = self.steps * self.streams, GATES * self.num_output
        found = []
        for name, size, height, times in (
            ("x", self.item_count, rows, 1),
            ("h", self.num_output, self.streams, self.steps),
        ):
            into = Product("gates", name, (height, size), f"W_{name}^T", (size, gates), times, is_forward=True)
            weight = Product(f"W_{name} gradient", "gates gradient^T", (gates, rows), name, (rows, size))
            back = Product(f"{name} gradient", "gates gradient", (height, gates), f"W_{name}", (gates, size), times)
            found += [into, weight, back]
        return found

    def state_bytes(self) -> int:
        """Return the size of what forward leaves for backward."""
        kept = (self.cells, self.tanh_cells, self.hidden, self.before, self.gate, self.cont, self.state)
        return sum(array.nbytes for array in kept)

    def _rows(self, values: Array, size: int) -> Array:
        """View values as a matrix with a row for each step of each stream."""
        return values.reshape(self.steps * self.streams, size)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Run all steps."""
        self._begin(bottom)
        sums = np.empty(self.gate.shape, self.dtype)
        weight, hidden_weight, bias = (blob.data for blob in self.blobs)
        self.products.forward(
            self._rows(bottom[0].data, self.item_count), weight, bias, False, self._rows(sums, len(bias))
        )
        hidden, part = self.state[0], np.empty(self.gate.shape[1:], self.dtype)
        for t in range(self.steps):
            np.multiply(hidden, self.cont[t][:, None], out=self.before[t])
            self.products.forward(self.before[t], hidden_weight, None, False, part)
            sums[t] += part
            hidden, cells = self.hidden[t], self.cells
            lstm_unit_forward(cells[t], sums[t], self.cont[t], self.gate[t], cells[t + 1], self.tanh_cells[t], hidden)
        top[0].data[...] = self.hidden.reshape(top[0].shape)
        self.state[0], self.state[1] = hidden, self.cells[-1]

    def _begin(self, bottom: Blobs) -> None:
        """Take up the last state, or zeros where no bottom says that sequences go on."""
        if self.state.shape[1] != self.streams:
            self.state = np.zeros((2, self.streams, self.num_output), self.dtype)
        if len(bottom) > 1:
            self.cont[...] = bottom[1].data.reshape(self.cont.shape) != 0
        else:
            self.cont[...] = 1
            self.state[...] = 0
        self.cells[0] = self.state[1]

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient; add to those of the parameters."""
        if len(propagate_down) > 1 and propagate_down[1]:
            raise LayerError(
                "propagate_down[1]", "true", "there is no gradient of it; write propagate_down: false for bottom 1"
            )
        gate_diff = self._steps_backward(top[0].diff.reshape(self.hidden.shape))
        gate_diff = self._rows(gate_diff, GATES * self.num_output)
        wanted = self.param_propagate_down
        if wanted[0]:
            self.products.weight_diff(self._rows(bottom[0].data, self.item_count), gate_diff, False, self.blobs[0].diff)
        if wanted[1]:
            self.products.weight_diff(self._rows(self.before, self.num_output), gate_diff, False, self.blobs[1].diff)
        if wanted[2]:
            self.products.bias_diff(gate_diff, self.blobs[2].diff)
        if propagate_down[0]:
            self.products.bottom_diff(gate_diff, self.blobs[0].data, False, self._rows(bottom[0].diff, self.item_count))

    def _steps_backward(self, top_diff: Array) -> Array:
        """Return the gradients of the gates' inputs, (T, N, 4 num_output), the last step first."""
        gate_diff, bound = np.empty(self.gate.shape, self.dtype), self.layer_param.lstm_param.clipping_threshold
        hidden_diff, cell_diff, before_diff = np.zeros((3, *top_diff.shape[1:]), self.dtype)
        for t in reversed(range(self.steps)):
            hidden_diff += top_diff[t]
            lstm_unit_backward(
                self.cells[t], self.gate[t], self.tanh_cells[t], cell_diff, hidden_diff, before_diff, gate_diff[t]
            )
            if bound > 0:
                np.clip(gate_diff[t], -bound, bound, out=gate_diff[t])
            cell_diff, before_diff = before_diff, cell_diff
            self.products.bottom_diff(gate_diff[t], self.blobs[1].data, False, hidden_diff)
            hidden_diff *= self.cont[t][:, None]
        return gate_diff

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Where sequences begin gets no gradient."""
        return bottom_index != 1

    def get_state(self) -> State:
        """Return h and c, which the next pass goes on from if bottom[1] says so."""
        return {"h": self.state[0].copy(), "c": self.state[1].copy()}

    def set_state(self, state: State) -> None:
        """Go on from h and c; WeightsError if that is the state of another kind of layer."""
        shapes = {np.shape(state.get(name, ())) for name in ("h", "c")}
        if len(shapes) != 1 or shapes.pop()[1:] != (self.num_output,):
            raise WeightsError(
                f"layer {self.name} keeps h and c of {self.num_output} values a stream, the state others"
            )
        self.state = np.stack([np.asarray(state[name], self.dtype) for name in ("h", "c")])
