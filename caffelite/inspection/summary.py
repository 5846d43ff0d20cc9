"""summary: a net's layers, their shapes and what they cost, as a table, as HTML and as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from caffelite.core.blob import Shape
from caffelite.core.container import human
from caffelite.core.errors import printable
from caffelite.core.net.graph import Node
from caffelite.core.net.net import Net
from caffelite.core.net.without_data import Replacement
from caffelite.core.tables import aligned, by, html_table, thousands
from caffelite.inspection.of_file import net_of_file
from caffelite.inspection.receptive_field import ALL, ReceptiveField, receptive_fields

HEAD = ("layer", "type", "top", "parameters", "multiply-adds", "memory", "stride", "field")
NUMBERS = (3, 4, 5, 6, 7)  # columns that end at the same place
PHASES = ("TRAIN", "TEST")


@dataclass(frozen=True)
class LayerSummary:
    """One layer. Numbers are for the whole batch.

    params: shapes of its parameter blobs; `parameters` counts the numbers in those that no earlier layer shares.
    activation_bytes: data of its tops, 0 in place. kept_bytes: what it keeps for the backward or the next pass.
    field: what part of the input a pixel of the first top is made of; None where that means nothing.
    """

    name: str
    type: str
    bottoms: dict[str, Shape]
    tops: dict[str, Shape]
    params: tuple[Shape, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    kept_bytes: int
    field: ReceptiveField | None

    def row(self) -> list[str]:
        """Return the cells of the table."""
        return [
            self.name,
            self.type,
            ", ".join(by(shape) for shape in self.tops.values()) or "-",
            thousands(self.parameters) if self.parameters else "-",
            thousands(self.multiply_adds) if self.multiply_adds else "-",
            human(self.activation_bytes) if self.activation_bytes else "in place" if self.tops else "-",
            _field_text(self.field, "stride"),
            _field_text(self.field, "size"),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold. A field of "all" sees the whole input; strides may be fractions, 0.5."""
        field: Any = None
        if self.field is not None:
            field = "all" if self.field == ALL else _plain(self.field.size)
        return {
            "name": self.name,
            "type": self.type,
            "bottoms": {name: list(shape) for name, shape in self.bottoms.items()},
            "tops": {name: list(shape) for name, shape in self.tops.items()},
            "params": [list(shape) for shape in self.params],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "activation_bytes": self.activation_bytes,
            "kept_bytes": self.kept_bytes,
            "receptive_field": field,
            "stride": _plain(self.field.stride) if self.field and self.field != ALL else None,
        }


@dataclass(frozen=True)
class Summary:
    """A net's layers, without the Splits that the wiring added, and the totals. `print` shows it, Jupyter as a table.

    parameters: of all layers, shared ones once; `learned` those whose lr_mult is not 0. param_bytes: their size.
    batch: the size of the first axis that all layers without bottoms agree on, 0 if they do not.
    replaced: the layers that would read data that is not there.
    """

    name: str
    phase: str
    layers: list[LayerSummary]
    parameters: int
    learned: int
    param_bytes: int
    batch: int
    replaced: list[Replacement]

    @property
    def multiply_adds(self) -> int:
        """Of a forward pass of the whole batch."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Of all tops; the gradients take as much again."""
        return sum(layer.activation_bytes for layer in self.layers)

    @property
    def kept_bytes(self) -> int:
        """Of what layers keep besides their blobs."""
        return sum(layer.kept_bytes for layer in self.layers)

    def totals(self) -> list[str]:
        """Return the totals, one a line."""
        each = ""
        if self.batch > 1 and self.multiply_adds % self.batch == 0:
            each = f", {thousands(self.multiply_adds // self.batch)} for each of {self.batch} items"
        fixed = self.parameters - self.learned
        return [
            f"parameters:    {thousands(self.parameters)} ({human(self.param_bytes)})"
            + (f", {thousands(fixed)} of them not learned" if fixed else ""),
            f"multiply-adds: {thousands(self.multiply_adds)} in a forward pass{each}",
            f"memory:        {human(self.activation_bytes)} of tops, as much again for gradients"
            + (f"; {human(self.kept_bytes)} kept besides" if self.kept_bytes else ""),
        ]

    def _notes(self) -> list[str]:
        notes = []
        for one in self.replaced:
            shapes = ", ".join(f"{name} {by(shape)}" for name, shape in one.shapes.items())
            notes.append(f"{one.type}: {one.reason}; {shapes}{f' ({one.assumed})' if one.assumed else ''}")
        return notes

    def _title(self) -> str:
        return f'net "{self.name}", {self.phase}'

    def __str__(self) -> str:
        rows = [HEAD, *(layer.row() for layer in self.layers)]
        head, *body = aligned(rows, NUMBERS)
        rule = "-" * max(map(len, (head, *body)))
        return printable("\n".join([self._title(), head, rule, *body, rule, *self.totals(), *self._notes()]))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [HEAD, *(layer.row() for layer in self.layers)]
        return html_table(rows, NUMBERS, caption=self._title(), below=[*self.totals(), *self._notes()])

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: the layers, in order, and the totals."""
        return {
            "name": self.name,
            "phase": self.phase,
            "layers": [layer.as_dict() for layer in self.layers],
            "totals": {
                "parameters": self.parameters,
                "learned": self.learned,
                "parameter_bytes": self.param_bytes,
                "multiply_adds": self.multiply_adds,
                "batch": self.batch,
                "activation_bytes": self.activation_bytes,
                "kept_bytes": self.kept_bytes,
            },
            "without_data": [
                {
                    "type": one.type,
                    "shapes": {name: list(shape) for name, shape in one.shapes.items()},
                    "reason": one.reason,
                    "assumed": one.assumed,
                }
                for one in self.replaced
            ],
        }


def summary(net: Net, replaced: Sequence[Replacement] = ()) -> Summary:
    """Return the summary of a net with its present shapes; `replaced` are the layers that got no data."""
    fields = receptive_fields(net)
    types = {tuple(one.shapes): one.type for one in replaced}
    nodes = net.graph().nodes
    layers = [_layer_summary(net, node, fields[node.index], types) for node in nodes]
    batches = {shape[0] for node in nodes if not node.bottoms for shape in node.top_shapes if shape}
    return Summary(
        net.name,
        PHASES[net.phase],
        layers,
        sum(layer.parameters for layer in layers),
        sum(param.blob.count for param in net.learnable_params if param.lr_mult),
        sum(layer.parameters for layer in layers) * net.context.dtype.itemsize,
        batches.pop() if len(batches) == 1 else 0,
        list(replaced),
    )


def summary_of_file(
    path: str | os.PathLike[str],
    phase: int,
    level: int = 0,
    stages: Iterable[str] = (),
    shapes: Mapping[str, Shape] | None = None,
    python_layers: bool = True,
) -> Summary:
    """Return the summary of the net in a file, whose data need not be there.

    Arguments and errors are those of `net_of_file`.
    """
    with net_of_file(path, phase, level, stages, shapes, python_layers) as (net, replaced):
        return summary(net, replaced)


def _layer_summary(
    net: Net, node: Node, field: ReceptiveField | None, types: Mapping[tuple[str, ...], str]
) -> LayerSummary:
    layer = net.core_layers[node.index]
    owned = [blob.count for number, blob in enumerate(layer.blobs) if net.owns_param(node.index, number)]
    return LayerSummary(
        node.name,
        node.type if node.bottoms else types.get(node.tops, node.type),
        dict(zip(node.bottoms, node.bottom_shapes, strict=True)),
        dict(zip(node.tops, node.top_shapes, strict=True)),
        tuple(blob.shape for blob in layer.blobs),
        sum(owned),
        node.cost.multiply_adds,
        node.cost.top_bytes,
        node.cost.state_bytes,
        field,
    )


def _plain(numbers: Sequence[Fraction]) -> list[int | float]:
    return [number.numerator if number.denominator == 1 else float(number) for number in numbers]


def _field_text(field: ReceptiveField | None, part: str) -> str:
    if field is None:
        return "-"
    if field == ALL:
        return "all" if part == "size" else "-"
    numbers = [f"{float(number):g}" for number in getattr(field, part)]
    return numbers[0] if len(set(numbers)) == 1 else " x ".join(numbers)
