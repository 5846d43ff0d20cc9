"""Three nodes that shuffle channels, Reshape, Transpose, Reshape, become one."""

from __future__ import annotations

from caffelite.onnx_import.graph import Graph
from caffelite.onnx_import.node import Node


def join_shuffles(graph: Graph) -> None:
    """Replace each (N, C, ...) -> (N, group, C / group, ...) -> (N, C / group, group, ...) -> (N, C, ...) by a node.

    The new node has the operator ChannelShuffle, which ONNX does not know, the attribute `group`, and the last one's
    name and output.
    """
    readers = graph.readers()
    gone: set[int] = set()
    for index, first in enumerate(graph.nodes):
        chain = [first]
        while len(chain) < 3 and len(readers[chain[-1].outputs[0]]) == 1:
            chain.append(readers[chain[-1].outputs[0]][0])
        if _is_shuffle(graph, chain):
            group = graph.shape(first.outputs[0])[1]
            last = chain[2]
            graph.nodes[index] = Node("ChannelShuffle", last.name, first.inputs[:1], last.outputs, {"group": group})
            gone |= {id(node) for node in chain[1:]}
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]


def _is_shuffle(graph: Graph, chain: list[Node]) -> bool:
    if [node.operator for node in chain] != ["Reshape", "Transpose", "Reshape"]:
        return False
    if any(node.outputs[0] in graph.outputs for node in chain[:2]):
        return False
    start, split = graph.shape(chain[0].inputs[0]), graph.shape(chain[0].outputs[0])
    if graph.shape(chain[2].outputs[0]) != start or len(start) < 2 or len(split) != len(start) + 1:
        return False
    order = [0, 2, 1, *range(3, len(split))]
    whole = (split[0], split[1] * split[2], *split[3:])
    return whole == start and list(chain[1].get("perm") or []) == order
