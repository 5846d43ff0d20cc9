"""LSTM, RNN and LSTMUnit: what gates make of sums. Within an LSTM or RNN there are no blobs, so words say the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.lstm import LSTMLayer
from caffelite.core.layers.lstm_unit import LSTMUnitLayer
from caffelite.core.layers.rnn import RNNLayer
from caffelite.core.layers.shared.recurrent import RecurrentLayer
from caffelite.inspection.why.terms import (
    BOTTOM,
    At,
    Terms,
    constant,
    gradient_of,
    made_of,
    param_gradient_of,
    sent,
    value_of,
)

GATES = "ifog"


@value_of(LSTMLayer)
def _lstm(at: At, top: int, place: int) -> list[Terms]:
    layer = at.layer
    t, n, d = _step(layer, place) if top == 0 else _step(layer, place, layer.sizes.time_steps - 1)
    i, f, o, g = (float(layer.gate[t, n, gate * layer.num_output + d]) for gate in range(4))
    before, cell = (float(layer.cells.data[step, n, d]) for step in (t, t + 1))
    if top == 2:
        return [
            constant(f * before, f"cont * f {f:.6g} * c_{t - 1} {before:.6g}"),
            constant(i * g, f"i {i:.6g} * g {g:.6g}"),
        ]
    return [constant(o * float(np.tanh(cell)), f"o {o:.6g} * tanh(c {cell:.6g})")]


@value_of(RNNLayer)
def _rnn(at: At, top: int, place: int) -> list[Terms]:
    layer = at.layer
    t, n, d = _step(layer, place) if top == 0 else _step(layer, place, layer.sizes.time_steps - 1)
    if top == 1:
        total = float(layer.gate_input.data[t, n, d])
        return [constant(float(np.tanh(total)), f"tanh({total:.6g}), of W_xh x + b_h + W_hh (cont * h_{t - 1})")]
    weight, bias = (blob.data.astype(np.float64) for blob in layer.blobs[-2:])
    total = float(weight[d] @ layer.hidden.data[t, n] + bias[d])
    return [constant(float(np.tanh(total)), f"tanh({total:.6g}), of W_ho h + b_o")]


def _step(layer: RecurrentLayer, place: int, first: int = 0) -> tuple[int, int, int]:
    """Return step, stream and number of a place in a blob whose first step is `first`."""
    row, number = divmod(place, layer.num_output)
    step, stream = divmod(row, layer.sizes.streams)
    return first + step, stream, number


@gradient_of(LSTMLayer, RNNLayer)
def _recurrent_back(at: At, bottom: int, place: int) -> list[Terms]:
    """Return the weights times the gradients of the sums; initial states get none."""
    layer, sizes = at.layer, at.layer.sizes
    if bottom == 0:
        row, number = divmod(place, sizes.item_count)
        steps, stream, param = [row // sizes.streams], row % sizes.streams, 0
    elif bottom == 2 and layer.static_input:
        stream, number = divmod(place, sizes.static_count)
        steps, param = list(range(sizes.time_steps)), 2
    else:
        return []
    weights = layer.blobs[param].data[:, number].astype(np.float64)
    name = layer.names.params[param]
    found = []
    for t in steps:
        for gate, diff in enumerate(layer.gate_input.diff[t, stream].astype(np.float64)):
            weight, sum_name = float(weights[gate]), _sum_name(layer, gate)
            text = f"{name}[{gate}, {number}] {weight:.6g} * diff {diff:.6g} of {sum_name} at step {t}"
            found.append(constant(weight * float(diff), text))
    return found


def _sum_name(layer: RecurrentLayer, number: int) -> str:
    gate, output = divmod(number, layer.num_output)
    return f"the sum of {GATES[gate] if layer.num_gates > 1 else 'h'}[{output}]"


@param_gradient_of(LSTMLayer, RNNLayer)
def _recurrent_param(at: At, number: int, place: int) -> list[Terms]:
    """Return the gradients of the sums of all steps and streams, each times what the parameter is multiplied by."""
    layer = at.layer
    rows = layer.sizes.time_steps * layer.sizes.streams
    sums, hidden = layer.gate_input.diff, layer.h_conted.data
    if number >= len(layer.blobs) - 2 and isinstance(layer, RNNLayer):
        sums, hidden = layer.output.diff, layer.hidden.data
    param = layer.blobs[number]
    if param.num_axes == 1:
        output, inputs, name = place, np.ones(rows), "1"
    elif number == 0:
        output, which = divmod(place, layer.sizes.item_count)
        inputs, name = at.bottom(0, np.arange(rows) * layer.sizes.item_count + which), f"x[{which}]"
    elif number == 2 and layer.static_input:
        output, which = divmod(place, layer.sizes.static_count)
        streams = np.arange(rows) % layer.sizes.streams
        inputs, name = at.bottom(2, streams * layer.sizes.static_count + which), f"x_static[{which}]"
    else:
        output, which = divmod(place, layer.num_output)
        inputs, name = _column(hidden, rows, which), f"h[{which}]"
    diffs = _column(sums, rows, output)
    return [
        constant(float(value * diff), f"{name} {value:.6g} * diff {diff:.6g} of the sum, {_at_row(layer, row)}")
        for row, (value, diff) in enumerate(zip(inputs, diffs, strict=True))
    ]


def _column(values: Array, rows: int, number: int) -> Array:
    column: Array = values.reshape(rows, -1)[:, number].astype(np.float64)
    return column


def _at_row(layer: RecurrentLayer, row: int) -> str:
    step, stream = divmod(row, layer.sizes.streams)
    return f"step {step}, stream {stream}"


@value_of(LSTMUnitLayer)
def _unit(at: At, top: int, place: int) -> list[Terms]:
    unit = _Unit(at, place)
    if top == 1:
        text = f"sigmoid of it times tanh(c {unit.cell:.6g})"
        return [made_of(unit.o * np.tanh(unit.cell), BOTTOM, 1, unit.places[2], unit.sums[2], text)]
    kept = Terms(
        np.array([unit.f * unit.before]),
        BOTTOM,
        0,
        np.array([place]),
        np.array([unit.before]),
        np.array([unit.f]),
        text="cont * f",
    )
    return [
        kept,
        made_of(unit.i * unit.g, BOTTOM, 1, unit.places[3], unit.sums[3], f"tanh of it times i {unit.i:.6g}"),
    ]


@gradient_of(LSTMUnitLayer)
def _unit_back(at: At, bottom: int, place: int) -> list[Terms]:
    """Return the gradients of c and h, each times how much of it gets there."""
    if bottom == 2:
        return []
    cells = at.bottom_shape(0)[2]
    gate, cell = divmod(place % (4 * cells), cells) if bottom else (-1, place)
    here = place // (4 * cells) * cells + cell if bottom else place
    unit = _Unit(at, here)
    tanh_cell = np.tanh(unit.cell)
    if gate == 2:
        return [sent(at, 1, here, tanh_cell * unit.o * (1 - unit.o), "slope")]
    slope = {
        -1: unit.f,
        0: unit.g * unit.i * (1 - unit.i),
        1: unit.before * unit.f * (1 - unit.f),
        3: unit.i * (1 - unit.g**2),
    }[gate]
    through_h = unit.o * (1 - tanh_cell**2)
    return [sent(at, 0, here, slope, "slope"), sent(at, 1, here, slope * through_h, "slope")]


class _Unit:
    """One cell of an LSTMUnit: its gates, f times cont, the places and values of their sums, and its cells."""

    def __init__(self, at: At, place: int) -> None:
        cells = at.bottom_shape(0)[2]
        stream, cell = divmod(place, cells)
        self.places = stream * 4 * cells + np.arange(4) * cells + cell
        self.sums = at.bottom(1, self.places)
        self.before = float(at.bottom(0, np.array([place]))[0])
        cont = float(at.bottom(2, np.array([stream]))[0])
        gates: Any = 1 / (1 + np.exp(-self.sums[:3]))
        self.i, self.f, self.o = (float(gate) for gate in gates)
        self.f = self.f * cont if cont else 0.0  # 0 also if f is NaN
        self.g = float(np.tanh(self.sums[3]))
        self.cell = self.f * self.before + self.i * self.g
