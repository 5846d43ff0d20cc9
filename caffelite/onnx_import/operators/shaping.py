"""Other axes over the same values, or values in another order: Reshape, Flatten, Permute, ShuffleChannel."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.onnx_import.building import BVLC, Building
from caffelite.onnx_import.node import Node
from caffelite.onnx_import.register import operator


def reshape_dims(shape: Shape, wanted: Shape) -> list[int]:
    """Return the dims of a Reshape layer; the first is 0, which keeps the number of images, where it stays."""
    dims = list(wanted)
    if dims and shape and dims[0] == shape[0]:
        dims[0] = 0
    return dims


def reshaped(node: Node, net: Building, blob: str, shape: Shape, wanted: Shape, word: str) -> str:
    """Return the blob, of `shape`, in the shape `wanted`: by a Reshape layer, NODE/word, where that is another."""
    if shape == wanted:
        return blob
    return net.step(node, word, "Reshape", [blob], reshape_param={"shape": {"dim": reshape_dims(shape, wanted)}})


@operator("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(node: Node, net: Building) -> None:
    """Say what changes axes alone: the output's shape says all, and is known in a simplified model."""
    for attribute in ("axis", "axes", "allowzero", "shape"):
        node.get(attribute)
    shape, wanted = net.shape(node.input(0)), net.shape(node.outputs[0])
    bottom = net.blob(node, node.input(0))
    if shape == wanted:
        net.same(node.outputs[0], node.input(0), node)
    elif len(wanted) == 2 and len(shape) > 2 and shape[0] == wanted[0]:
        net.add(node, "Flatten", [bottom], node.outputs[0])
    else:
        param = {"shape": {"dim": reshape_dims(shape, wanted)}}
        net.add(node, "Reshape", [bottom], node.outputs[0], reshape_param=param)


@operator("Transpose")
def transpose(node: Node, net: Building) -> None:
    """Say Transpose: permute, which only forks have; a Reshape where no value moves."""
    shape = net.shape(node.input(0))
    order = list(node.get("perm") or reversed(range(len(shape))))
    moved = [axis for axis in order if shape[axis] != 1]
    bottom = net.blob(node, node.input(0))
    if order == sorted(order):
        net.same(node.outputs[0], node.input(0), node)
    elif moved == sorted(moved) and (order[0] == 0 or net.dialect == BVLC):
        param = {"shape": {"dim": reshape_dims(shape, net.shape(node.outputs[0]))}}
        net.add(node, "Reshape", [bottom], node.outputs[0], reshape_param=param)
    elif net.dialect == BVLC:
        raise node.refuse(
            f"attribute perm is {order}",
            "BVLC Caffe cannot change the order of axes; use --dialect caffelite (Permute)",
        )
    else:
        net.add(node, "Permute", [bottom], node.outputs[0], permute_param={"order": order})


@operator("ChannelShuffle")  # no operator of ONNX: what graph rewriting makes of three nodes
def channel_shuffle(node: Node, net: Building) -> None:
    """Say ChannelShuffle: shuffleChannel; for BVLC Caffe a 1 x 1 convolution with ones where channels go."""
    group = node.get("group")
    bottom = net.blob(node, node.input(0))
    if net.dialect != BVLC:
        net.add(node, "ShuffleChannel", [bottom], node.outputs[0], shuffle_channel_param={"group": group})
        return
    channels = net.shape(node.input(0))[1]
    order = np.arange(channels).reshape(group, -1).T.reshape(-1)
    net.note(f"{node.name} moves channels: a 1 x 1 convolution does it, since BVLC Caffe has no ShuffleChannel")
    weights = np.eye(channels)[order][..., None, None]
    _moving(node, net, "Convolution", weights, channels, 1)


@operator("DepthToSpace")
def depth_to_space(node: Node, net: Building) -> None:
    """Say DepthToSpace: a Deconvolution with ones: each input channel goes to its place in the block."""
    size, channels = int(node.get("blocksize")), net.shape(node.input(0))[1]
    outputs = channels // size**2
    places = (outputs, size, size) if node.get("mode", "DCR") == "CRD" else (size, size, outputs)
    numbers = np.arange(channels).reshape(places)
    if node.get("mode", "DCR") == "DCR":
        numbers = numbers.transpose(2, 0, 1)
    _moving(node, net, "Deconvolution", _ones(numbers, channels), outputs, size)


@operator("SpaceToDepth")
def space_to_depth(node: Node, net: Building) -> None:
    """Say SpaceToDepth: a Convolution with ones: each place in the block goes to its output channel."""
    size, channels = int(node.get("blocksize")), net.shape(node.input(0))[1]
    outputs = channels * size**2
    numbers = np.arange(outputs).reshape(size, size, channels).transpose(2, 0, 1)
    _moving(node, net, "Convolution", _ones(numbers, outputs), outputs, size)


def _ones(numbers: Array, count: int) -> Array:
    """Return weights (count, C, size, size) that are 1 where `numbers` (C, size, size) says the first index."""
    ones: Array = (np.arange(count)[:, None, None, None] == numbers).astype(np.float32)
    return ones


def _moving(node: Node, net: Building, type_name: str, weights: Array, outputs: int, size: int) -> None:
    fields = {"num_output": outputs, "kernel_size": [size], "stride": [size], "bias_term": False}
    bottom = net.blob(node, node.input(0))
    net.add(node, type_name, [bottom], node.outputs[0], blobs=[weights], convolution_param=fields)
