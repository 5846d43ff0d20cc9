"""Axes counted from the end by nodes of opsets before 11: programs take them, ONNX's shape inference does not."""

from __future__ import annotations

from typing import Any

from onnx import shape_inference

from caffelite.onnx_import.graph import opset_of

TAKEN = 11  # the opset from which on they are part of ONNX
CHANGES_RANK = ("Squeeze", "Unsqueeze")
OPERATORS = ("Concat", "Slice", *CHANGES_RANK)


def count_axes_from_front(model: Any) -> None:
    """Change the nodes of a model whose input shapes are known, in place."""
    if opset_of(model) >= TAKEN:
        return
    while any(_is_from_end(node) for node in model.graph.node) and _change_some(model):
        pass


def _change_some(model: Any) -> bool:
    """Change nodes as far as the number of axes is known; return whether there were some.

    Behind a Squeeze or Unsqueeze it is not what is inferred.
    """
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    kinds = {entry.name: entry.type.tensor_type for entry in (*graph.input, *graph.value_info, *graph.output)}
    ranks = {name: len(kind.shape.dim) for name, kind in kinds.items() if kind.HasField("shape")}
    ranks |= {entry.name: len(entry.dims) for entry in graph.initializer}
    changed = False
    for node in model.graph.node:
        known = [ranks[name] for name in node.input if name in ranks]
        if not _is_from_end(node) or not known:
            continue
        for entry in filter(_has_axes, node.attribute):
            rank = known[0] + (len(entry.ints) if node.op_type == "Unsqueeze" else 0)
            if entry.i < 0:  # not else: a number that is set, even to 0, is no list any more
                entry.i += rank
            entry.ints[:] = [axis + rank if axis < 0 else axis for axis in entry.ints]
        changed = True
        if node.op_type in CHANGES_RANK:
            break
    return changed


def _is_from_end(node: Any) -> bool:
    entries = filter(_has_axes, node.attribute) if node.op_type in OPERATORS else ()
    return any(axis < 0 for entry in entries for axis in (entry.i, *entry.ints))


def _has_axes(entry: Any) -> bool:
    return entry.name in ("axis", "axes")
