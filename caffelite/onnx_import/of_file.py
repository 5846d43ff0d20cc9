"""From an ONNX file to a net with its weights, and that to a prototxt and a caffemodel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caffelite.core.errors import CaffeliteError, UsageError, printable
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.onnx_import import operators  # noqa: F401 - its files register themselves
from caffelite.onnx_import.building import BVLC, CAFFELITE, DIALECTS, Building
from caffelite.onnx_import.dialect import check_bvlc
from caffelite.onnx_import.errors import NodeError, OnnxError, first_line
from caffelite.onnx_import.graph import Graph
from caffelite.onnx_import.imported import Imported
from caffelite.onnx_import.last_places import join_last_places
from caffelite.onnx_import.loading import load_model, simplified
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.outputs import name_outputs
from caffelite.onnx_import.proving import Unproved, prove
from caffelite.onnx_import.register import OPERATORS
from caffelite.onnx_import.running import check_shapes, read_back
from caffelite.onnx_import.shuffles import join_shuffles
from caffelite.proto.caffe_pb2 import NetParameter

_MOVES = ("ArgMax", "Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather")
CHECK = "look at the model with onnx.checker, and export it again"


def from_onnx(
    path: str | Path, dialect: str = CAFFELITE, shapes: Mapping[str, Sequence[int]] | None = None
) -> Imported:
    """Return the net of an ONNX file; `shapes` are sizes of inputs that the file leaves open.

    In the dialect "bvlc" it has nothing that BVLC Caffe 1.0 does not know. What will be written is read back and run
    on random input beside onnxruntime, or ONNX's reference evaluator where that is missing or refuses the model; the
    answers must be the same within 1e-4. Where neither runs the model a note says so, and "bvlc" refuses.

    Raises OnnxError for what is no ONNX file or cannot be said in layers, UsageError for another dialect.
    """
    path = Path(path)
    if dialect not in DIALECTS:
        raise UsageError(f"dialect is {dialect}; use {' or '.join(DIALECTS)}{did_you_mean(dialect, DIALECTS)}")
    model = load_model(path, shapes)
    building = _converted(Graph(simplified(model, path)), dialect, path)
    net = NetParameter(name=_name(building, path), layer=[made.param for made in building.layers])
    comments = [_head(building, path), f"Made of {printable(path.name)} by caffelite convert, dialect {dialect}."]
    imported = Imported(net, building.layers, building.notes, comments)
    try:
        if dialect == BVLC:
            check_bvlc(net)
        comments.append(_proof(imported, building, model))
    except OnnxError as err:
        raise OnnxError(f"{path}: {err}") from None
    return imported


def _proof(imported: Imported, building: Building, model: Any) -> str:
    """Return how close the answers are, in words; OnnxError where they are not, and in the dialect bvlc if unknown."""
    ends = [*building.graph.inputs, *building.graph.outputs]
    with read_back(imported) as running:
        check_shapes(running, building)
        try:
            distance, judge = prove(running, model, {tensor: building.held[tensor] for tensor in ends})
        except Unproved as err:
            if building.dialect == BVLC:
                raise
            building.note(str(err))
            return "Nothing proved its answers."
    return f"On random input it differs by {distance:.1g} from what {judge} computes."


def _converted(graph: Graph, dialect: str, path: Path) -> Building:
    """Return the layers of all nodes; OnnxError with a line for each node that cannot be said."""
    join_shuffles(graph)
    join_last_places(graph)
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
    try:
        OPERATORS[node.operator](node, building)
    except CaffeliteError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as err:
        # onnx checks no values: a damaged file may hold a text for a number, or sizes beyond any memory
        said = f"{type(err).__name__}: {first_line(err)}"
        raise node.refuse(f"its attributes or inputs do not belong together ({said})", CHECK) from None
    node.refuse_unread()


def _head(building: Building, path: Path) -> str:
    graph = building.graph
    ins, outs = (
        ", ".join(f"{building.held[tensor]} {'x'.join(map(str, graph.shape(tensor)))}" for tensor in tensors)
        for tensors in (graph.inputs, graph.outputs)
    )
    return f"{_name(building, path)} for use: {ins} in; {outs} out."


def _name(building: Building, path: Path) -> str:
    """Return the name of the net, in one line."""
    return printable(" ".join((building.graph.name or path.stem).split()))
