"""Graph: a net's layers and the blobs between them, with what each layer costs; for summaries, drawings, exporters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from caffelite.core.blob import Shape
from caffelite.core.costs import Cost
from caffelite.core.net.plan import LayerStep
from caffelite.core.net.wiring.wire import Wiring


@dataclass(frozen=True)
class Node:
    """One layer. `index` is its number in the net; bottoms and tops are names of blobs, with their shapes."""

    index: int
    name: str
    type: str
    bottoms: tuple[str, ...]
    bottom_shapes: tuple[Shape, ...]
    tops: tuple[str, ...]
    top_shapes: tuple[Shape, ...]
    cost: Cost


class Edge(NamedTuple):
    """A blob that node `source` makes and node `target` reads, both by their index in `Graph.nodes`."""

    source: int
    target: int
    blob: str


class Graph(NamedTuple):
    """Layers in the order in which they run, and an edge for each of their bottoms."""

    nodes: list[Node]
    edges: list[Edge]

    @property
    def cost(self) -> Cost:
        """The sum over all layers; parameters that several layers share count in each."""
        costs = [Cost(0, 0, 0, 0), *(node.cost for node in self.nodes)]
        return Cost(*(sum(figures) for figures in zip(*costs, strict=True)))


def graph_of(steps: Sequence[LayerStep], wiring: Wiring, left_out: Collection[int] = ()) -> Graph:
    """Return the graph of a net as it stands; `left_out` are numbers of Splits, whose readers get what they split."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    names = list(wiring.blob_names)
    makers: dict[int, int] = {}  # of each blob the node that wrote it last
    for index, step in enumerate(steps):
        bottom_ids, top_ids = wiring.bottom_ids[index], wiring.top_ids[index]
        if index in left_out:
            for blob_id in top_ids:
                makers[blob_id], names[blob_id] = makers[bottom_ids[0]], names[bottom_ids[0]]
            continue
        edges += [Edge(makers[blob_id], len(nodes), names[blob_id]) for blob_id in bottom_ids]
        makers.update(dict.fromkeys(top_ids, len(nodes)))
        nodes.append(
            Node(
                index,
                step.layer.name,
                step.layer.layer_param.type,
                tuple(names[blob_id] for blob_id in bottom_ids),
                tuple(blob.shape for blob in step.bottom),
                tuple(names[blob_id] for blob_id in top_ids),
                tuple(blob.shape for blob in step.top),
                step.layer.describe(step.bottom, step.top),
            )
        )
    return Graph(nodes, edges)
