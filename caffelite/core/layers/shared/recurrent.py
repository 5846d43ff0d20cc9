"""What RNN and LSTM have in common: time steps, streams, carried state. Source: src/caffe/layers/recurrent_layer.cpp.

Caffe unrolls a net with a set of layers for each time step. Here the steps are a loop over views, all with the same
weights, and what does not depend on the step before is one product for all steps: the input's part of the gates, and
on the way back the gradients of weights and input.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from caffelite.core import container
from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.costs import Product
from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.kernels.inner_product import PRODUCTS
from caffelite.core.layer import Blobs, BlobSpec, Layer, State
from caffelite.core.layers.shared.recurrent_log import InnerNames, Line, log_backward, log_forward
from caffelite.core.layers.shared.recurrent_shapes import check_initial_states, check_sizes, read_sizes

log = logging.getLogger("caffelite")


class RecurrentLayer(Layer):
    """T time steps of N streams. Step t adds up W_x x_t + b (+ W_static x_static) + W_h (cont_t * h_{t-1}).

    What a step makes of this sum, `gate_input`, and the output of the h of all steps, is the subclass's. Parameters:
    W_x, b, W_static (only with a static bottom), W_h, then those of the output. Fillers run in this order.
    """

    min_bottom_blobs: ClassVar[int | None] = 2
    max_bottom_blobs: ClassVar[int | None] = 3
    exact_num_top_blobs: ClassVar[int | None] = 1
    names: ClassVar[InnerNames]
    num_gates: ClassVar[int]  # sums that a step makes for each output
    expose_hidden: ClassVar[bool] = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms, make the parameters, begin all streams with zeros."""
        param = self.layer_param.recurrent_param
        if param.num_output == 0:
            raise LayerError("recurrent_param.num_output", 0, "num_output must be positive")
        self.num_output = param.num_output
        self.static_input = len(bottom) == self.max_bottom_blobs
        self.sizes = read_sizes(bottom, self.static_input)
        log.info(
            "Initializing recurrent layer: assuming input batch contains %d timesteps of %d independent streams.",
            *self.sizes[:2],
        )
        if self.layer_param.blobs:
            self.blobs.clear()  # as in Caffe, values in the layer's own message are not taken
        self.init_params(self._specs())
        self.products = PRODUCTS[self.dtype]
        self.gate_input, self.h_conted, self.hidden = self.new_blob(), self.new_blob(), self.new_blob()
        self.state = [self.new_blob() for _ in self.names.states]

    def _specs(self) -> list[BlobSpec]:
        param = self.layer_param.recurrent_param
        gates = self.num_gates * self.num_output
        specs = [BlobSpec((gates, self.sizes.item_count), param.weight_filler), BlobSpec((gates,), param.bias_filler)]
        if self.static_input:
            specs.append(BlobSpec((gates, self.sizes.static_count), param.weight_filler))
        return [*specs, BlobSpec((gates, self.num_output), param.weight_filler), *self.output_specs()]

    def output_specs(self) -> list[BlobSpec]:
        """Return the parameters that make the output of h."""
        return []

    @property
    def hidden_weight(self) -> Blob:
        """W_h, which every step uses."""
        return self.blobs[3 if self.static_input else 2]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms; shape tops, state and the blobs inside. Only the number of streams may change."""
        sizes = read_sizes(bottom, self.static_input)
        check_sizes(sizes, self.sizes, bottom)
        self.sizes = sizes
        one_step = (1, sizes.streams, self.num_output)
        if self.expose_hidden:
            check_initial_states(bottom, len(self.state), one_step)
        elements = sizes.time_steps * sizes.streams * self.num_output * (2 * self.num_gates + 5)
        container.require(elements * self.dtype.itemsize, f"a recurrent layer of {sizes.time_steps} time steps")
        for blob in (top[0], self.h_conted, self.hidden):
            blob.reshape(sizes.time_steps, *one_step[1:])
        for blob in (*top[1:], *self.state):
            blob.reshape(*one_step)
        self.gate_input.reshape(sizes.time_steps, sizes.streams, self.num_gates * self.num_output)
        self._part = np.empty(self.gate_input.shape[1:], self.dtype)
        self.shape_inside(top[0].shape)

    def multiply_adds(self, bottom: Blobs, top: Blobs) -> int:
        """Return each weight once for each step of each stream, that of the static input once for each stream."""
        matrices = [blob.count for blob in self.blobs if blob.num_axes == 2]
        static = matrices.pop(1) if self.static_input else 0
        return self.sizes.streams * (self.sizes.time_steps * sum(matrices) + static)

    def matrix_products(self, bottom: Blobs, top: Blobs) -> list[Product]:
        """Return the products with W_x, W_static and W_h, and the gradients that they make."""
        steps, streams = self.sizes.time_steps, self.sizes.streams
        gates, rows = self.num_gates * self.num_output, steps * streams
        found = _products("x", "W_x", rows, self.sizes.item_count, gates)
        if self.static_input:
            found += _products("x_static", "W_static", streams, self.sizes.static_count, gates)
        into_h, of_weight, back = _products("h", "W_h", streams, self.num_output, gates, steps)
        whole = Product(of_weight.makes, of_weight.left, (gates, rows), of_weight.right, (rows, self.num_output))
        return [*found, into_h, whole, back]

    def state_bytes(self) -> int:
        """Return the size of the state and of what each step leaves for backward."""
        kept = (self.gate_input, self.h_conted, self.hidden, *self.state)
        return sum(blob.count for blob in kept) * self.dtype.itemsize

    def shape_inside(self, shape: Shape) -> None:
        """Shape what the subclass keeps; `shape` is (T, N, num_output)."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Run all steps from the state that the last forward left, or that the bottoms give."""
        self._sum_inputs(bottom)
        given = bottom[-len(self.state) :] if self.expose_hidden else self.state
        initial = [blob.data[0] for blob in given]
        self.begin(initial)
        hidden, cont, weight = initial[0], bottom[1].data, self.hidden_weight.data
        gate_input, h_conted, part = self.gate_input.data, self.h_conted.data, self._part
        for t in range(self.sizes.time_steps):
            np.multiply(hidden, cont[t][:, None], out=h_conted[t])
            self.products.forward(h_conted[t], weight, None, False, part)
            total = gate_input[t]
            total += part
            hidden = self.hidden.data[t]
            self.step_forward(t, total, cont[t], hidden)
        self.make_output(top[0])
        for blob, values in zip(top[1:] or self.state, self.final_states(), strict=True):
            blob.data[0] = values
        if self.layer_param.recurrent_param.debug_info:
            log_forward(self, bottom)

    def _sum_inputs(self, bottom: Blobs) -> None:
        """Fill gate_input with what does not come from the step before."""
        x, total = self.rows(bottom[0].data), self.rows(self.gate_input.data)
        self.products.forward(x, self.blobs[0].data, self.blobs[1].data, False, total)
        if self.static_input:
            static = bottom[2].data.reshape(self.sizes.streams, -1)
            self.products.forward(static, self.blobs[2].data, None, False, self._part)
            self.gate_input.data[...] += self._part

    def rows(self, values: Array) -> Array:
        """View (T, N, ...) as a matrix with a row for each step of each stream."""
        return values.reshape(self.sizes.time_steps * self.sizes.streams, -1)

    def begin(self, initial: list[Array]) -> None:
        """Take up the initial states but h, each (N, num_output)."""

    def step_forward(self, t: int, gate_input: Array, cont: Array, hidden: Array) -> None:
        """Fill `hidden`, h of step t, (N, num_output), from the sums (N, gates) and cont (N)."""
        raise NotImplementedError(f"{type(self).__name__} has no step_forward")

    def make_output(self, top: Blob) -> None:
        """Fill the top, (T, N, num_output)."""
        raise NotImplementedError(f"{type(self).__name__} has no make_output")

    def final_states(self) -> list[Array]:
        """Return what the last step leaves to the next batch, each (N, num_output), h first."""
        return [self.hidden.data[-1]]

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradients of input and static input, add to those of the parameters: of all, as Caffe does.

        Nothing flows beyond the batch: initial states get no gradient, and that of final states is not read.
        """
        if propagate_down[1]:
            raise LayerError(
                "propagate_down[1]",
                "true",
                "Cannot backpropagate to sequence indicators; write propagate_down: false for bottom 1",
            )
        self._steps_backward(self.output_diff(top[0]), bottom[1].data)
        gate_diff = self.rows(self.gate_input.diff)
        self.products.weight_diff(self.rows(self.h_conted.data), gate_diff, False, self.hidden_weight.diff)
        self.products.weight_diff(self.rows(bottom[0].data), gate_diff, False, self.blobs[0].diff)
        self.products.bias_diff(gate_diff, self.blobs[1].diff)
        self.products.bottom_diff(gate_diff, self.blobs[0].data, False, self.rows(bottom[0].diff))
        if self.static_input:
            over_time = self.gate_input.diff.sum(axis=0)
            data, diff = (values.reshape(self.sizes.streams, -1) for values in (bottom[2].data, bottom[2].diff))
            self.products.weight_diff(data, over_time, False, self.blobs[2].diff)
            self.products.bottom_diff(over_time, self.blobs[2].data, False, diff)
        if self.layer_param.recurrent_param.debug_info:
            log_backward(self, top[0], bottom)

    def _steps_backward(self, output_diff: Array, cont: Array) -> None:
        """Fill the gradients of gate_input from those that the output sends to the h of each step."""
        gate_diff, conted_diff, hidden_diff = self.gate_input.diff, self.h_conted.diff, self.hidden.diff
        weight = self.hidden_weight.data
        hidden_diff[-1] = output_diff[-1]
        for t in reversed(range(self.sizes.time_steps)):
            self.step_backward(t, hidden_diff[t], gate_diff[t])
            self.products.bottom_diff(gate_diff[t], weight, False, conted_diff[t])
            if t > 0:
                before = hidden_diff[t - 1]
                np.multiply(conted_diff[t], cont[t][:, None], out=before)
                before += output_diff[t - 1]

    def output_diff(self, top: Blob) -> Array:
        """Return the gradient that the output sends to h; add to the gradients of the output's parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no output_diff")

    def step_backward(self, t: int, hidden_diff: Array, gate_input_diff: Array) -> None:
        """Fill gate_input_diff (N, gates) of step t; the last step comes first."""
        raise NotImplementedError(f"{type(self).__name__} has no step_backward")

    def inner_states(self, t: int) -> list[tuple[str, Array]]:
        """Return names and values of the states that step t, from 1, makes; for debug_info."""
        raise NotImplementedError(f"{type(self).__name__} has no inner_states")

    def inner_output(self) -> Iterator[Line]:
        """Give what makes the output of the states; for debug_info."""
        raise NotImplementedError(f"{type(self).__name__} has no inner_output")

    def inner_output_diffs(self, top: Blob) -> Iterator[Line]:
        """Give the gradients of what makes the output; for debug_info."""
        raise NotImplementedError(f"{type(self).__name__} has no inner_output_diffs")

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Sequence indicators get no gradient."""
        return bottom_index != 1

    def reset(self) -> None:
        """Let all streams begin with zeros again; for states from bottoms this means nothing."""
        for blob in self.state:
            blob.data_storage().fill(0)

    def get_state(self) -> State:
        """Return what the streams carry from batch to batch, those that the last batch did not have included."""
        if self.expose_hidden:
            return {}
        return {name: blob.data_storage().copy() for name, blob in zip(self.names.states, self.state, strict=True)}

    def set_state(self, state: State) -> None:
        """Go on with the streams as they were; WeightsError if that is the state of another kind of layer."""
        want = () if self.expose_hidden else self.names.states
        if set(state) != set(want):
            raise WeightsError(f"layer {self.name} keeps {want}, the state holds {tuple(state)}: it is another layer's")
        for index, name in enumerate(want):
            values = np.ravel(state[name])
            streams, rest = divmod(values.size, self.num_output)
            if rest:
                raise WeightsError(
                    f"the state of layer {self.name} does not fit: {name} holds {values.size} values, "
                    f"no multiple of its num_output, {self.num_output}"
                )
            blob = self.new_blob((1, streams, self.num_output))
            blob.data[...] = values.reshape(blob.shape)
            blob.reshape(*self.state[index].shape)
            self.state[index] = blob


def _products(read: str, weight: str, rows: int, size: int, outputs: int, times: int = 1) -> list[Product]:
    """Return rows x weight^T, the gradient of the weight, and that of what is read."""
    sums = "gradient of the sums"
    return [
        Product("sums of the gates", read, (rows, size), f"{weight}^T", (size, outputs), times, is_forward=True),
        Product(f"gradient of {weight}", f"{sums}^T", (outputs, rows), read, (rows, size), times),
        Product(f"gradient of {read}", sums, (rows, outputs), weight, (outputs, size), times),
    ]
