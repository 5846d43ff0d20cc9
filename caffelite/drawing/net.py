"""What is drawn of a net: its layers, those that work in place stacked on the layer before, and the blobs between."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from caffelite.core.blob import Shape
from caffelite.core.errors import CaffeliteError
from caffelite.core.layer import Context
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import included
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import without_data, without_fillers
from caffelite.proto.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter

LOGGER = logging.getLogger("caffelite")


@dataclass
class Unit:
    """A node: a layer and those that work in place behind it; `phases` are those that its first layer is in."""

    layers: list[LayerParameter]
    phases: frozenset[int]


class Edge(NamedTuple):
    """A blob that unit `source` makes and unit `target` reads, -1: nobody does. Shape None: not known."""

    source: int
    target: int
    blob: str
    shape: Shape | None


@dataclass
class Drawing:
    """A net as it is drawn: units in the order of the file, and edges between them by their numbers."""

    name: str
    units: list[Unit]
    edges: list[Edge]
    phases: frozenset[int]  # those that were asked for

    def is_label(self, edge: Edge) -> bool:
        """Return whether the blob comes with the data and leads past most layers, to a loss: labels, weights, ..."""
        source = self.units[edge.source].layers[0]
        return edge.target >= 0 and not source.bottom and edge.blob != source.top[0]


Shapes = Mapping[str, Sequence[int]]


def drawing_of(
    draft: Draft,
    folder: Path | None = None,
    phases: Sequence[int] = (TRAIN, TEST),
    stages: Sequence[str] = (),
    level: int = 0,
    shapes: Shapes | None = None,
) -> Drawing:
    """Return what is drawn of a net in these phases, one above the other; data need not be there.

    A net that cannot be built is drawn without shapes, and a warning says why.
    """
    maker = _Maker(draft.param.name, frozenset(phases))
    errors = []
    for phase in phases:
        in_phase = draft.with_param(with_caller_state(draft.param, phase, level, stages))
        try:
            top_shapes = _shapes_of(in_phase, folder, shapes)
        except CaffeliteError as err:
            errors.append(str(err).partition("\n")[0])
            top_shapes = []
        maker.add(in_phase, phase, top_shapes)
    if len(errors) == len(phases):  # a net may be for one phase only
        LOGGER.warning("The net is drawn without shapes, since it cannot be built: %s", errors[0])
    return maker.drawing()


def drawing_of_net(net: Net) -> Drawing:
    """Return what is drawn of a net that is built, as it runs in its phase."""
    nodes = net.graph().nodes
    param = NetParameter(name=net.name)
    for node in nodes:
        layer = param.layer.add()
        layer.CopyFrom(net.core_layers[node.index].layer_param)
        for replaced in ("bottom", "top", "include", "exclude", "blobs"):
            layer.ClearField(replaced)
        layer.bottom.extend(node.bottoms)  # without the names of inserted Splits
        layer.top.extend(node.tops)
    maker = _Maker(net.name, frozenset([net.phase]))
    maker.add(Draft.of(param), net.phase, [node.top_shapes for node in nodes])
    return maker.drawing()


def _shapes_of(draft: Draft, folder: Path | None, shapes: Shapes | None) -> list[tuple[Shape, ...]]:
    """Return the shapes of each layer's tops."""
    net = Net(without_fillers(without_data(draft, shapes, folder).draft), Context(folder=folder))
    return [node.top_shapes for node in net.graph().nodes]


@dataclass
class _Maker:
    """Adds one phase after the other. Layers are told apart by their number in the file."""

    name: str
    phases: frozenset[int]
    unit_of: dict[int, int] = field(default_factory=dict)  # number of a layer -> number of the first in its unit
    layers: dict[int, LayerParameter] = field(default_factory=dict)
    in_phases: dict[int, set[int]] = field(default_factory=dict)
    edges: dict[tuple[int, int, str], Shape | None] = field(default_factory=dict)

    def add(self, draft: Draft, phase: int, shapes: list[tuple[Shape, ...]]) -> None:
        makers: dict[str, int] = {}  # the unit that wrote a blob last
        shape_of: dict[str, Shape] = {}
        read: set[str] = set()
        indices = [i for i, layer in enumerate(draft.layers) if included(layer, draft.param.state)]
        for position, index in enumerate(indices):
            layer = draft.layers[index]
            self.layers[index] = layer
            self.in_phases.setdefault(index, set()).add(phase)
            stacked = self._stacked(layer, makers, read)
            unit = self.unit_of.setdefault(index, stacked if stacked is not None else index)
            for bottom in layer.bottom:
                source = makers.get(bottom)
                if source is not None and source != unit:
                    self._add_edge(source, unit, bottom, shape_of.get(bottom))
                    read.add(bottom)
            makers.update(dict.fromkeys(layer.top, unit))
            read.difference_update(layer.top)
            if shapes:
                shape_of.update(zip(layer.top, shapes[position], strict=False))
        for blob in sorted(set(makers) - read):
            self._add_edge(makers[blob], -1, blob, shape_of.get(blob))

    def _stacked(self, layer: LayerParameter, makers: Mapping[str, int], read: set[str]) -> int | None:
        """Return the unit on which a layer is stacked: its bottom's, if it works in place and none read that yet."""
        if list(layer.bottom) != list(layer.top) or len(layer.bottom) != 1 or layer.bottom[0] in read:
            return None
        return makers.get(layer.bottom[0])

    def _add_edge(self, source: int, target: int, blob: str, shape: Shape | None) -> None:
        self.edges.setdefault((source, target, blob), shape)

    def drawing(self) -> Drawing:
        stacks: dict[int, list[int]] = {}
        for index in sorted(self.layers):
            stacks.setdefault(self.unit_of[index], []).append(index)
        numbers = {first: number for number, first in enumerate(stacks)}
        numbers[-1] = -1
        units = [
            Unit([self.layers[index] for index in stack], frozenset(self.in_phases[first]))
            for first, stack in stacks.items()
        ]
        edges = [Edge(numbers[of], numbers[to], blob, shape) for (of, to, blob), shape in self.edges.items()]
        return Drawing(self.name, units, edges, self.phases)
