"""Forms of LSTM, RNN and LSTMUnit: their time steps, of which a net has a fixed number, one after the other.

A model begins each run with zeros (or the states that expose_hidden lets it be given), while a net here and in Caffe
goes on where the last pass ended.
"""

from __future__ import annotations

from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import FLOAT
from caffelite.onnx_export.writer import Writer


@form("LSTMUnit")
def lstm_unit(writer: Writer) -> list[str]:
    """Write one time step."""
    cells, gates, cont = writer.bottoms
    carried = writer.op("Mul", cells, writer.op("Unsqueeze", cont, writer.ints(2)))
    hidden, made = _lstm_step(writer, gates, carried, writer.top_shapes[0][2])
    return [made, hidden]


@form("LSTM")
def lstm(writer: Writer) -> list[str]:
    """Write all steps; with expose_hidden the states, too."""
    layer = writer.layer
    exposed = writer.bottoms[-2:] if layer.expose_hidden else []
    hidden, cells = exposed or (None, None)
    made = []
    for gates, cont in _steps(writer):
        total, carried = gates, None
        if hidden is not None and cells is not None:
            total = writer.op("Add", gates, _from_hidden(writer, hidden, cont))
            carried = writer.op("Mul", cells, cont)
        hidden, cells = _lstm_step(writer, total, carried, layer.num_output)
        made.append(hidden)
    assert hidden is not None and cells is not None
    return [_all_steps(writer, made), *([hidden, cells] if exposed else [])]


@form("RNN")
def rnn(writer: Writer) -> list[str]:
    """Write all steps, and what makes the output of h."""
    layer = writer.layer
    hidden = writer.bottoms[-1] if layer.expose_hidden else None
    made = []
    for total, cont in _steps(writer):
        if hidden is not None:
            total = writer.op("Add", total, _from_hidden(writer, hidden, cont))
        hidden = writer.op("Tanh", total)
        made.append(hidden)
    assert hidden is not None
    weight, bias = len(layer.blobs) - 2, len(layer.blobs) - 1
    outputs = writer.op("Add", _product(writer, _all_steps(writer, made), weight), writer.weight(bias))
    return [writer.op("Tanh", outputs), *([hidden] if layer.expose_hidden else [])]


@form("Lstm")
def forks_lstm(writer: Writer) -> str:
    """Write all steps of a fork's Lstm, whose rows may be steps and streams on one axis."""
    layer, marked = writer.layer, len(writer.bottoms) > 1
    items = writer.reshape(writer.bottom, layer.steps, -1, layer.item_count)
    gates = writer.op("Add", _product(writer, items, 0), writer.weight(2))
    parts = _split(writer, gates, layer.steps)
    conts: list[str | None] = [None] * layer.steps
    if marked:
        cont = writer.reshape(writer.bottoms[1], layer.steps, -1, 1)
        is_on = writer.op("Not", writer.op("Equal", cont, writer.constant(0)))
        conts = list(_split(writer, writer.op("Cast", is_on, to=FLOAT), layer.steps))
    hidden, cells, made = None, None, list[str]()
    for total, mark in zip(parts, conts, strict=True):
        if hidden is not None and cells is not None:
            hidden, cells = (value if mark is None else writer.op("Mul", value, mark) for value in (hidden, cells))
            total = writer.op("Add", total, _product(writer, hidden, 1))
        hidden, cells = _lstm_step(writer, total, cells, layer.num_output)
        made.append(hidden)
    joined = _all_steps(writer, made)
    return joined if len(writer.top_shapes[0]) == 3 else writer.reshape(joined, -1, layer.num_output)


def _split(writer: Writer, value: str, count: int) -> list[str]:
    """Write the parts of a value along its first axis, each of one step."""
    return [value] if count == 1 else writer.ops_of("Split", [value, writer.ints(*[1] * count)], count, axis=0)


def _steps(writer: Writer) -> list[tuple[str, str]]:
    """Write, of each step, the inputs of the gates but for h, (1, N, gates), and cont (1, N, 1)."""
    layer, count = writer.layer, writer.layer.sizes.time_steps
    items = writer.bottom if writer.num_axes == 3 else writer.reshape(writer.bottom, 0, 0, -1)
    gates = writer.op("Add", _product(writer, items, 0), writer.weight(1))
    if layer.static_input:
        static = writer.op("Flatten", writer.bottoms[2], axis=1)
        gates = writer.op("Add", gates, _product(writer, static, 2))
    cont = writer.op("Unsqueeze", writer.bottoms[1], writer.ints(2))
    return list(zip(_split(writer, gates, count), _split(writer, cont, count), strict=True))


def _product(writer: Writer, value: str, number: int) -> str:
    """Write the product with the transpose of parameter `number`."""
    return writer.op("MatMul", value, writer.constant(writer.values(number).T))


def _from_hidden(writer: Writer, hidden: str, cont: str) -> str:
    return _product(writer, writer.op("Mul", hidden, cont), 3 if writer.layer.static_input else 2)


def _lstm_step(writer: Writer, gates: str, carried: str | None, size: int) -> tuple[str, str]:
    """Write h and c of a step, from the gates (1, N, 4 D) and cont * c of the step before, None being 0."""
    parts = writer.ops_of("Split", [gates, writer.ints(*[size] * 4)], 4, axis=2)
    i, f, o = (writer.op("Sigmoid", part) for part in parts[:3])
    cells = writer.op("Mul", i, writer.op("Tanh", parts[3]))
    if carried is not None:
        cells = writer.op("Add", writer.op("Mul", f, carried), cells)
    return writer.op("Mul", o, writer.op("Tanh", cells)), cells


def _all_steps(writer: Writer, values: list[str]) -> str:
    return values[0] if len(values) == 1 else writer.op("Concat", *values, axis=0)
