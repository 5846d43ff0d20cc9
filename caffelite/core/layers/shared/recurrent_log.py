"""recurrent_param.debug_info: mean absolute values of what a recurrent layer computes inside.

The lines are those of a net's debug_info. Layers and blobs are called as in Caffe's unrolled net, whose Split layers
and slices are left out: they compute nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from caffelite.core.blob import Array, Blob
from caffelite.core.format import mean_abs
from caffelite.core.layer import Blobs

if TYPE_CHECKING:
    from caffelite.core.layers.shared.recurrent import RecurrentLayer

log = logging.getLogger("caffelite")


class InnerNames(NamedTuple):
    """Caffe's names inside the unrolled net; {t} is the number of a step, from 1, and {before} that of the last one.

    states: what a step hands on, h first; params: input weight, bias, static weight, hidden weight.
    product, total, step: layers that multiply by the hidden weight, add up the gates' inputs, and make h of them.
    """

    states: tuple[str, ...]
    params: tuple[str, str, str, str]
    product: str
    total: str
    total_top: str
    step: str


class Line(NamedTuple):
    """An inner layer, one of its blobs ("top blob h_1"), and the values meant."""

    layer: str
    blob: str
    values: Array


def log_forward(layer: RecurrentLayer, bottom: Blobs) -> None:
    """Log what the last forward pass made."""
    for line in _forward_lines(layer, bottom):
        log.info("    [Forward] Layer %s_%s, %s data: %s", layer.name, line.layer, line.blob, mean_abs(line.values))


def log_backward(layer: RecurrentLayer, top: Blob, bottom: Blobs) -> None:
    """Log the gradients that the last backward pass made; of a weight that all steps use, their sum."""
    for line in _backward_lines(layer, top, bottom):
        log.info("    [Backward] Layer %s_%s, %s diff: %s", layer.name, line.layer, line.blob, mean_abs(line.values))


def _forward_lines(layer: RecurrentLayer, bottom: Blobs) -> Iterator[Line]:
    names, params, sizes = layer.names, layer.names.params, layer.sizes
    yield Line("x_transform", f"top blob {params[0]}_x", _product(layer, bottom[0].data, 0, 1))
    yield Line("x_transform", f"param blob {params[0]}", layer.blobs[0].data)
    yield Line("x_transform", f"param blob {params[1]}", layer.blobs[1].data)
    if layer.static_input:
        name = f"{params[0]}_x_static"
        yield Line(name, f"top blob {name}", _product(layer, bottom[2].data.reshape(1, sizes.streams, -1), 2))
        yield Line(name, f"param blob {params[2]}", layer.blobs[2].data)
    products = _product(layer, layer.h_conted.data, 3 if layer.static_input else 2)
    products = products.reshape(layer.gate_input.shape)
    for t in range(1, sizes.time_steps + 1):
        before = t - 1
        yield Line(f"h_conted_{before}", f"top blob h_conted_{before}", layer.h_conted.data[before])
        product = names.product.format(t=t, before=before)
        yield Line(product, f"top blob {params[3]}_h_{before}", products[before])
        yield Line(product, f"param blob {params[3]}", layer.hidden_weight.data)
        total = names.total.format(t=t)
        yield Line(total, f"top blob {names.total_top.format(t=t)}", layer.gate_input.data[before])
        for name, values in layer.inner_states(t):
            yield Line(names.step.format(t=t), f"top blob {name}", values)
    yield from layer.inner_output()


def _product(layer: RecurrentLayer, values: Array, weight: int, bias: int | None = None) -> Array:
    """Make a linear map again: forward adds it to others at once."""
    rows = values.reshape(values.shape[0] * values.shape[1], -1)
    made: Array = rows @ layer.blobs[weight].data.T
    return made if bias is None else made + layer.blobs[bias].data


def _backward_lines(layer: RecurrentLayer, top: Blob, bottom: Blobs) -> Iterator[Line]:
    names, params = layer.names, layer.names.params
    yield from layer.inner_output_diffs(top)
    for t in range(layer.sizes.time_steps, 0, -1):
        before = t - 1
        total = f"bottom blob {names.total_top.format(t=t)}"
        yield Line(names.step.format(t=t), total, layer.gate_input.diff[before])
        product = names.product.format(t=t, before=before)
        yield Line(product, f"bottom blob h_conted_{before}", layer.h_conted.diff[before])
    yield Line(product, "param blob 0", layer.hidden_weight.diff)
    if layer.static_input:
        name = f"{params[0]}_x_static"
        yield Line(name, "bottom blob x_static", bottom[2].diff)
        yield Line(name, "param blob 0", layer.blobs[2].diff)
    yield Line("x_transform", "bottom blob x", bottom[0].diff)
    yield Line("x_transform", "param blob 0", layer.blobs[0].diff)
    yield Line("x_transform", "param blob 1", layer.blobs[1].diff)
