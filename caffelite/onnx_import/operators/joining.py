"""Blobs joined and cut along an axis: Concat and Slice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from caffelite.onnx_import.axes import axis_of
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshape_dims
from caffelite.onnx_import.register import operator

Piece = tuple[int, int]  # first and last + 1 along the axis


@operator("Concat")
def concat(node: Node, net: Building) -> None:
    """Say Concat: all inputs, one behind the other."""
    axis = axis_of(node, len(net.shape(node.outputs[0])))
    bottoms = [net.blob(node, tensor) for tensor in node.inputs]
    net.add(node, "Concat", bottoms, node.outputs[0], concat_param={"axis": axis})


@operator("Split")
def split(node: Node, net: Building) -> None:
    """Say Split: pieces as the shapes of the outputs say."""
    node.get("split"), node.get("num_outputs")
    axis = axis_of(node, len(net.shape(node.input(0))))
    ends = np.cumsum([net.shape(tensor)[axis] for tensor in node.outputs]).tolist()
    pieces = dict(zip(node.outputs, zip([0, *ends[:-1]], ends, strict=True), strict=True))
    _cut(node, net, axis, {tensor: piece for tensor, piece in pieces.items() if tensor})


@operator("Slice")
def slice_(node: Node, net: Building) -> None:
    """Say Slice: a piece along each axis that it cuts. Nodes whose pieces lie side by side share a layer."""
    cuts = _cuts(node, net)
    if node.outputs[0] in net.held:  # with a node before
        return
    if not cuts:
        net.same(node.outputs[0], node.input(0), node)
        return
    if len(cuts) > 1:
        _one_axis_after_the_other(node, net, cuts)
        return
    ((axis, piece),) = cuts
    pieces = {node.outputs[0]: piece}
    for other in net.graph.readers()[node.input(0)]:
        if other.operator == "Slice" and other is not node and other.outputs[0] not in net.held:
            also = _cuts(other, net)
            if [cut[0] for cut in also] == [axis] and _is_beside(also[0][1], pieces.values()):
                pieces[other.outputs[0]] = also[0][1]
    _cut(node, net, axis, pieces)


def _is_beside(piece: Piece, others: Iterable[Piece]) -> bool:
    return all(piece[0] >= end or piece[1] <= begin for begin, end in others)


def _one_axis_after_the_other(node: Node, net: Building, cuts: list[tuple[int, Piece]]) -> None:
    """Add a Slice layer for each axis."""
    bottom = net.blob(node, node.input(0))
    *front, (axis, piece) = cuts
    for number, (other, part) in enumerate(front):
        made = net.rest(node, f"cut_{number}")
        _slice(node, net, other, {made: part}, bottom)
        bottom = made
    _slice(node, net, axis, {net.top(node.outputs[0]): piece}, bottom)


@operator("Gather")
def gather(node: Node, net: Building) -> None:
    """Say Gather: one place along an axis, which then is gone."""
    shape = net.shape(node.input(0))
    axis = axis_of(node, len(shape))
    index = net.needed(node, 1, "the index")
    if index.size != 1:
        raise node.refuse(f"input 1 lists {index.size} places", "Caffe's layers take one place (Slice); use Split")
    place = int(index.reshape(())) % shape[axis]
    if net.shape(node.outputs[0]) == (*shape[:axis], 1, *shape[axis + 1 :]):
        _cut(node, net, axis, {node.outputs[0]: (place, place + 1)})
        return
    piece = _piece(node, net, axis, place)
    dims = reshape_dims((*shape[:axis], 1, *shape[axis + 1 :]), net.shape(node.outputs[0]))
    net.add(node, "Reshape", [piece], node.outputs[0], reshape_param={"shape": {"dim": dims}})


def _piece(node: Node, net: Building, axis: int, place: int) -> str:
    """Add a Slice layer for one place and return its blob."""
    made = net.rest(node, "place")
    _slice(node, net, axis, {made: (place, place + 1)})
    return made


def _cuts(node: Node, net: Building) -> list[tuple[int, Piece]]:
    """Return the axes along which a Slice node takes less than all, with the piece of each."""
    shape = net.shape(node.input(0))
    listed = []
    for index, name in enumerate(("starts", "ends", "axes", "steps"), 1):
        given = net.needed(node, index, name).reshape(-1).tolist() if node.input(index) else node.get(name)
        listed.append(given)
    starts, ends = listed[:2]
    axes, steps = listed[2] or range(len(starts)), listed[3] or [1] * len(starts)
    found = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape[axis % len(shape)]
        if step != 1:
            raise node.refuse(f"steps has {step}", "Caffe's Slice takes what lies together; use a step of 1")
        first, last, _ = slice(start, end).indices(size)
        if (first, last) != (0, size):
            found.append((axis % len(shape), (first, last)))
    return found


def _cut(node: Node, net: Building, axis: int, pieces: dict[str, Piece]) -> None:
    """Add a Slice layer whose tops are the tensors of `pieces`."""
    size = net.shape(node.input(0))[axis]
    if list(pieces.values()) == [(0, size)]:
        net.same(next(iter(pieces)), node.input(0), node)
        return
    bottom = net.blob(node, node.input(0))  # before the tops get their names
    _slice(node, net, axis, {net.top(tensor): piece for tensor, piece in pieces.items()}, bottom)


def _slice(node: Node, net: Building, axis: int, pieces: dict[str, Piece], bottom: str = "") -> None:
    """Add a Slice layer with the tops of `pieces` and others for what lies between, which a Silence layer reads."""
    size = net.shape(node.input(0))[axis]
    tops: list[str] = []
    points: list[int] = []
    rests: list[str] = []
    end = 0
    for blob, (first, last) in sorted(pieces.items(), key=lambda entry: entry[1]):
        if first > end:
            rests.append(net.rest(node, f"rest_{len(rests)}"))
            tops.append(rests[-1])
            points.append(first)
        tops.append(blob)
        points.append(last)
        end = last
    if end < size:
        rests.append(net.rest(node, f"rest_{len(rests)}"))
        tops.append(rests[-1])
        points.append(size)
    param = {"axis": axis, "slice_point": points[:-1]}
    net.add_with_rests(node, "Slice", bottom or net.blob(node, node.input(0)), tops, slice_param=param)
    net.silence(node, rests)
