"""Gemm and MatMul with weights: InnerProduct."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.operators.shaping import reshaped
from caffelite.onnx_import.register import operator


@operator("Gemm")
def gemm(node: Node, net: Building) -> None:
    """Say Gemm: alpha * A * B + beta * C, with A (M, K) computed and B and C constant."""
    node.require("transA", 0, fix="Caffe multiplies rows of values with weights; transpose before")
    weights = net.needed(node, 1, "the weights") * node.get("alpha", 1.0)
    if not node.get("transB", 0):
        weights = weights.T
    beta, bias = node.get("beta", 1.0), None
    if node.input(2):
        values = net.needed(node, 2, "the bias")
        if values.ndim > 1 and values.shape[0] != 1:
            raise node.refuse(f"input 2, the bias, has the shape {values.shape}", "give one number for each output")
        bias = np.broadcast_to(values.reshape(-1), weights.shape[:1]) * beta
    blobs = [weights] if bias is None else [weights, bias]
    fields = _fields(weights, 1, bias is not None)
    bottom = net.blob(node, node.input(0))
    net.add(node, "InnerProduct", [bottom], node.outputs[0], blobs=blobs, inner_product_param=fields)


@operator("MatMul")
def mat_mul(node: Node, net: Building) -> None:
    """Say MatMul: A (..., K) * B (K, N): the last axis is multiplied. Either may be a row of K alone."""
    weights, shape, wanted = net.needed(node, 1, "the weights"), net.shape(node.input(0)), net.shape(node.outputs[0])
    if weights.ndim > 2:
        raise node.refuse(
            f"the inputs have the shapes {shape} and {weights.shape}",
            "Caffe multiplies the last axis of a blob with weights of two axes",
        )
    matrix = weights.reshape(weights.shape[0], -1)
    rows = shape if len(shape) > 1 else (1, *shape)
    bottom = reshaped(node, net, net.blob(node, node.input(0)), shape, rows, "rows")
    axis, made = len(rows) - 1, (*rows[:-1], matrix.shape[1])
    blob = net.step(node, "", "InnerProduct", [bottom], [matrix.T], inner_product_param=_fields(matrix.T, axis))
    net.hold(node.outputs[0], reshaped(node, net, blob, made, wanted, "axes"))


def _fields(weights: Array, axis: int, bias: bool = False) -> dict[str, Any]:
    fields: dict[str, Any] = {"num_output": weights.shape[0]}
    if not bias:
        fields["bias_term"] = False
    if axis != 1:
        fields["axis"] = axis
    return fields
