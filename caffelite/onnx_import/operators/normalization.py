"""BatchNormalization and LRN."""

from __future__ import annotations

import numpy as np

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator


@operator("BatchNormalization")
def batch_normalization(node: Node, net: Building) -> None:
    """Say BatchNormalization: BatchNorm divides by what was measured, Scale has the learned scale and shift."""
    node.require("training_mode", 0, fix="export the model for use: model.eval()")
    node.require("spatial", 1, fix="export the model for opset 9 or later")
    node.get("momentum")  # for training alone
    scale, shift, mean, variance = (
        net.needed(node, index, what) for index, what in enumerate(("scale", "B", "mean", "var"), 1)
    )
    param = {"use_global_stats": True, "eps": node.get("epsilon", 1e-5)}
    bottom, divisor = net.blob(node, node.input(0)), np.ones(1)  # the sums are not to be divided any more
    inner = net.step(node, "norm", "BatchNorm", [bottom], blobs=[mean, variance, divisor], batch_norm_param=param)
    net.add(node, "Scale", [inner], node.outputs[0], blobs=[scale, shift], scale_param={"bias_term": True})


@operator("LRN")
def lrn(node: Node, net: Building) -> None:
    """Say LRN: both divide alpha by the size; Caffe's windows are of odd sizes."""
    size = int(node.get("size"))
    if size % 2 == 0:
        raise node.refuse(f"attribute size is {size}", "Caffe's LRN wants an odd number of channels")
    fields = {
        "local_size": size,
        "alpha": node.get("alpha", 1e-4),
        "beta": node.get("beta", 0.75),
        "k": node.get("bias", 1.0),
    }
    net.add(node, "LRN", [net.blob(node, node.input(0))], node.outputs[0], lrn_param=fields)
