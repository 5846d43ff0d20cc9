"""Three nodes that look for the last of the largest values, Slice backwards, ArgMax, Sub, become one."""

from __future__ import annotations

from caffelite.onnx_import.graph import Graph
from caffelite.onnx_import.node import Node


def join_last_places(graph: Graph) -> None:
    """Replace size - 1 - ArgMax(x backwards) by ArgMax(x) with select_last_index, of which onnxsim makes the three.

    Caffe's ArgMax takes the last of equal values, so that nothing has to be turned round.
    """
    readers = graph.readers()
    gone: set[int] = set()
    for turn in graph.nodes:
        chain = [turn]
        while len(chain) < 3 and len(readers[chain[-1].outputs[0]]) == 1:
            chain.append(readers[chain[-1].outputs[0]][0])
        if _is_last_place(graph, chain):
            _, search, sub = chain
            kept = {"axis": search.get("axis", 0), "keepdims": search.get("keepdims", 1), "select_last_index": 1}
            at = next(index for index, node in enumerate(graph.nodes) if node is sub)
            graph.nodes[at] = Node("ArgMax", search.name, turn.inputs[:1], sub.outputs, kept)
            gone |= {id(turn), id(search)}
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]


def _is_last_place(graph: Graph, chain: list[Node]) -> bool:
    if [node.operator for node in chain] != ["Slice", "ArgMax", "Sub"]:
        return False
    turn, search, sub = chain
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
