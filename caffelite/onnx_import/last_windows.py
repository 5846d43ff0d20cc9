"""Pooling that rounds up, without a last window that would begin beyond the image, as everybody runs it."""

from __future__ import annotations

from typing import Any

from onnx import helper, shape_inference

from caffelite.onnx_import.graph import opset_of

POOLS = ("AveragePool", "LpPool", "MaxPool")
MENDED = 22  # the opset from which on onnx infers as many windows as are computed


def without_last_windows(model: Any) -> Any:
    """Return the model, or a copy in which such nodes do not round up: then onnx infers the shapes that they make."""
    if opset_of(model) >= MENDED or not any(_rounds_up(node) for node in model.graph.node):
        return model
    mended = type(model)()
    mended.CopyFrom(model)
    while (found := _first_beyond(mended)) is not None:
        _round_down(*found)
    return mended


def _first_beyond(model: Any) -> tuple[Any, list[int]] | None:
    """Return the first node with a window too many, and the pixels to be added behind its image instead."""
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    sizes = {
        entry.name: [dim.dim_value for dim in entry.type.tensor_type.shape.dim][2:]
        for entry in (*graph.input, *graph.value_info)
    }
    for node in model.graph.node:
        if _rounds_up(node) and all(sizes.get(node.input[0], [0])):
            behind = _behind(_attributes(node), sizes[node.input[0]])
            if behind is not None and not (any(behind) and _attributes(node).get("count_include_pad")):
                return node, behind
    return None


def _behind(given: dict[str, Any], sizes: list[int]) -> list[int] | None:
    """Return how far the windows of each axis that does not begin beyond the image reach out; None if all do not."""
    axes, beyond, behind = len(sizes), False, []
    pads, kernel = given.get("pads", [0] * 2 * axes), given["kernel_shape"]
    strides, dilations = given.get("strides", [1] * axes), given.get("dilations", [1] * axes)
    for axis, size in enumerate(sizes):
        begin, end, stride = pads[axis], pads[axes + axis], strides[axis]
        room = size + begin + end - (kernel[axis] - 1) * dilations[axis] - 1
        rounded = -(-room // stride) * stride
        is_beyond = rounded > room and rounded >= size + begin
        beyond |= is_beyond
        behind.append(0 if is_beyond else rounded - room)
    return behind if beyond else None


def _round_down(node: Any, behind: list[int]) -> None:
    """Write a node without ceil_mode, with more padding behind where its windows do reach out."""
    pads = list(_attributes(node).get("pads", [0] * 2 * len(behind)))
    pads[len(behind) :] = [pad + more for pad, more in zip(pads[len(behind) :], behind, strict=True)]
    kept = [entry for entry in node.attribute if entry.name not in ("ceil_mode", "pads")]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", pads)])


def _rounds_up(node: Any) -> bool:
    if node.op_type not in POOLS:
        return False
    given = _attributes(node)
    return bool(given.get("ceil_mode")) and given.get("auto_pad", b"NOTSET") == b"NOTSET"


def _attributes(node: Any) -> dict[str, Any]:
    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
