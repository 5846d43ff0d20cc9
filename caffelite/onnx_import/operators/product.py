"""Gemm and MatMul with weights: InnerProduct."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
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
    _add(node, net, weights, bias, 1)


@operator("MatMul")
def mat_mul(node: Node, net: Building) -> None:
    """Say MatMul: A (..., K) * B (K, N): the last axis is multiplied."""
    weights = net.needed(node, 1, "the weights")
    rank = len(net.shape(node.input(0)))
    if weights.ndim != 2 or rank < 2:
        raise node.refuse(
            f"the inputs have the shapes {net.shape(node.input(0))} and {weights.shape}",
            "Caffe multiplies blobs of two or more axes with weights of two",
        )
    _add(node, net, weights.T, None, rank - 1)


def _add(node: Node, net: Building, weights: Array, bias: Array | None, axis: int) -> None:
    fields: dict[str, Any] = {"num_output": weights.shape[0]}
    blobs = [weights] if bias is None else [weights, bias]
    if bias is None:
        fields["bias_term"] = False
    if axis != 1:
        fields["axis"] = axis
    bottom = net.blob(node, node.input(0))
    net.add(node, "InnerProduct", [bottom], node.outputs[0], blobs=blobs, inner_product_param=fields)
