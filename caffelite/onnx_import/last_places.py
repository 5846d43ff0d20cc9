"""Three nodes that look for the last of the largest values, Slice backwards, ArgMax, Sub, become one."""

from __future__ import annotations

from caffelite.onnx_import.graph import Graph
from caffelite.onnx_import.node import Node


def join_last_places(graph: Graph) -> None:
    """Replace size - 1 - ArgMax(x backwards) by ArgMax(x) with select_last_index, of which onnxsim makes the three.

    Caffe's ArgMax takes the last of equal values, so that nothing has to be turned round.
    """
    readers = graph.readers()
    made = {output: node for node in graph.nodes for output in node.outputs}
    joined: dict[int, Node] = {}  # the Sub, by its identity -> what becomes of it
    gone: set[int] = set()
    for search in graph.nodes:
        turn, subs = made.get(search.input(0)), readers[search.outputs[0]]
        if turn and len(subs) == 1 and _is_last_place(graph, turn, search, subs[0]):
            sub = subs[0]
            kept = {"axis": search.get("axis", 0), "keepdims": search.get("keepdims", 1), "select_last_index": 1}
            joined[id(sub)] = Node("ArgMax", search.name, turn.inputs[:1], sub.outputs, kept)
            gone.add(id(search))
            if all(id(reader) in gone for reader in readers[turn.outputs[0]]):
                gone.add(id(turn))
    graph.nodes = [joined.get(id(node), node) for node in graph.nodes if id(node) not in gone]


def _is_last_place(graph: Graph, turn: Node, search: Node, sub: Node) -> bool:
    if [node.operator for node in (turn, search, sub)] != ["Slice", "ArgMax", "Sub"]:
        return False
    if any(node.outputs[0] in graph.outputs for node in (turn, search)) or search.get("select_last_index", 0):
        return False
    shape = graph.shape(turn.inputs[0])
    axis, size = search.get("axis", 0) % len(shape), shape[search.get("axis", 0) % len(shape)]
    values = [graph.constants.get(name) for name in turn.inputs[1:]]
    if len(values) != 4 or any(value is None or value.size != 1 for value in values):
        return False
    start, end, along, step = (int(value.reshape(())) for value in values if value is not None)
    from_end = graph.constants.get(sub.inputs[0])
    return (
        along % len(shape) == axis
        and step == -1
        and slice(start, end, step).indices(size) == (size - 1, -1, -1)
        and from_end is not None
        and bool((from_end == size - 1).all())
        and sub.inputs[1] == search.outputs[0]
        and graph.shape(sub.outputs[0]) == graph.shape(search.outputs[0])
    )
