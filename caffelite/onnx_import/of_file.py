"""From an ONNX file to a net with its weights, and that to a prototxt and a caffemodel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from caffelite.core.errors import LayerError, NetError, UsageError
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.core.prototxt.write import net_text
from caffelite.onnx_import import operators  # noqa: F401 - its files register themselves
from caffelite.onnx_import.building import BVLC, CAFFELITE, DIALECTS, Building, Made
from caffelite.onnx_import.dialect import check_bvlc
from caffelite.onnx_import.errors import NodeError, OnnxError
from caffelite.onnx_import.graph import Graph
from caffelite.onnx_import.loading import load_model, simplified
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.outputs import name_outputs
from caffelite.onnx_import.register import OPERATORS
from caffelite.onnx_import.running import built, check_shapes, prove
from caffelite.onnx_import.shuffles import join_shuffles
from caffelite.proto.caffe_pb2 import NetParameter

_MOVES = ("ArgMax", "Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather")


class Imported(NamedTuple):
    """A net, its layers with their weights, what was decided on the way, and the first lines of its prototxt.

    `net` has no weights: these are beside it, in `layers`, as float32 arrays.
    """

    net: NetParameter
    layers: list[Made]
    notes: list[str]
    comments: list[str]

    def text(self) -> str:
        """Return the prototxt."""
        return net_text(self.net, self.comments)


def from_onnx(
    path: str | Path, dialect: str = CAFFELITE, shapes: Mapping[str, Sequence[int]] | None = None
) -> Imported:
    """Return the net of an ONNX file; `shapes` are sizes of inputs that the file leaves open.

    In the dialect "bvlc" it has nothing that BVLC Caffe 1.0 does not know, and it is run on random input beside
    onnxruntime, where that is installed, or ONNX's reference evaluator, whose answers it must give within 1e-4.

    Raises OnnxError for what is no ONNX file or cannot be said in layers, UsageError for another dialect.
    """
    path = Path(path)
    if dialect not in DIALECTS:
        raise UsageError(f"dialect is {dialect}; use {' or '.join(DIALECTS)}{did_you_mean(dialect, DIALECTS)}")
    model = load_model(path, shapes)
    building = _converted(Graph(simplified(model, path)), dialect, path)
    net = NetParameter(name=building.graph.name or path.stem, layer=[made.param for made in building.layers])
    if dialect == BVLC:
        check_bvlc(net)
    try:
        running = built(net, building.layers)
    except (NetError, LayerError) as err:
        raise OnnxError(f"{path}: the net that it makes cannot be built: {err}") from None
    check_shapes(running, building)
    comments = [_head(building, path), f"Made of {path.name} by caffelite convert, dialect {dialect}."]
    if dialect == BVLC:
        ends = [*building.graph.inputs, *building.graph.outputs]
        distance, judge = prove(running, model, {tensor: building.held[tensor] for tensor in ends})
        comments.append(f"On random input it differs by {distance:.1g} from what {judge} computes.")
    return Imported(net, building.layers, building.notes, comments)


def _converted(graph: Graph, dialect: str, path: Path) -> Building:
    """Return the layers of all nodes; OnnxError with a line for each node that cannot be said."""
    join_shuffles(graph)
    building = Building(graph, dialect)
    errors: list[OnnxError] = []
    unmade: set[str] = set()  # what nodes would have made that are refused, or read such
    try:
        for tensor in graph.inputs:
            building.input(tensor)
        for node in graph.nodes:
            if unmade.isdisjoint(node.inputs):
                try:
                    _convert(node, building)
                    continue
                except NodeError as err:
                    errors.append(err)
            unmade.update(node.outputs)
        if not errors:
            name_outputs(building)
    except OnnxError as err:
        errors.append(err)
    if errors:
        raise OnnxError("\n".join(f"{path}: {err}" for err in errors))
    return building


def _convert(node: Node, building: Building) -> None:
    if node.operator not in OPERATORS:
        raise node.refuse("there is no layer for this operator", "take it out of the model, or cut the model there")
    if node.operator not in _MOVES and not building.graph.is_float(node.outputs[0]):
        raise node.refuse("it computes whole numbers", "take it out of the model: Caffe's blobs are float")
    OPERATORS[node.operator](node, building)
    node.refuse_unread()


def _head(building: Building, path: Path) -> str:
    graph = building.graph
    ins, outs = (
        ", ".join(f"{building.held[tensor]} {'x'.join(map(str, graph.shape(tensor)))}" for tensor in tensors)
        for tensors in (graph.inputs, graph.outputs)
    )
    return f"{graph.name or path.stem} for use: {ins} in; {outs} out."
