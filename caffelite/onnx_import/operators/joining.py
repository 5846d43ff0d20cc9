"""Blobs joined and cut along an axis: Concat and Slice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from caffelite.onnx_import.axes import axis_of
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.pieces import Piece, cut, ordered
from caffelite.onnx_import.register import operator


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
    """Say Slice: what it takes along each axis. Nodes that take pieces side by side share a layer."""
    if node.outputs[0] in net.held:  # with a node before
        return
    takes = _takes(node, net)
    if len(takes) == 1 and all(taken.step == 1 for taken in takes.values()):
        ((axis, taken),) = takes.items()
        pieces = {node.outputs[0]: (taken.start, taken.stop)}
        for other in net.graph.readers()[node.input(0)]:
            if other.operator == "Slice" and other is not node and other.outputs[0] not in net.held:
                also = _takes(other, net)
                if list(also) == [axis] and also[axis].step == 1 and _is_beside(also[axis], pieces.values()):
                    pieces[other.outputs[0]] = (also[axis].start, also[axis].stop)
        _cut(node, net, axis, pieces)
        return
    blob, shape = net.blob(node, node.input(0)), net.shape(node.input(0))
    for axis, taken in takes.items():
        blob = ordered(node, net, blob, axis, shape[axis], taken)
    net.hold(node.outputs[0], blob)


def _is_beside(piece: range, others: Iterable[Piece]) -> bool:
    return all(piece.start >= end or piece.stop <= begin for begin, end in others)


@operator("Gather")
def gather(node: Node, net: Building) -> None:
    """Say Gather: places along an axis, which then is gone where there is a single one, or several."""
    shape = net.shape(node.input(0))
    axis = axis_of(node, len(shape))
    index = net.needed(node, 1, "the index")
    places = [int(place) % shape[axis] for place in index.reshape(-1)]
    blob = ordered(node, net, net.blob(node, node.input(0)), axis, shape[axis], places)
    made = (*shape[:axis], len(places), *shape[axis + 1 :])
    net.hold(node.outputs[0], reshaped(node, net, blob, made, net.shape(node.outputs[0]), ""))


def _takes(node: Node, net: Building) -> dict[int, range]:
    """Return the places that a Slice node takes along each axis of which it does not take all as it is."""
    shape = net.shape(node.input(0))
    listed = []
    for index, name in enumerate(("starts", "ends", "axes", "steps"), 1):
        given = net.needed(node, index, name).reshape(-1).tolist() if node.input(index) else node.get(name)
        listed.append(given)
    starts, ends = listed[:2]
    axes, steps = listed[2] or range(len(starts)), listed[3] or [1] * len(starts)
    found = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape[axis % len(shape)]
        taken = range(*slice(start, end, step).indices(size))
        if not taken:
            raise node.refuse(f"it takes nothing of axis {axis}", "take it out of the model: blobs have values")
        if taken != range(size):
            found[axis % len(shape)] = taken
    return found


def _cut(node: Node, net: Building, axis: int, pieces: dict[str, Piece]) -> None:
    """Add a Slice layer whose tops are the tensors of `pieces`."""
    bottom, size = net.blob(node, node.input(0)), net.shape(node.input(0))[axis]
    if list(pieces.values()) == [(0, size)]:
        net.hold(next(iter(pieces)), bottom)
        return
    cut(node, net, bottom, axis, size, {net.top(tensor): piece for tensor, piece in pieces.items()})
