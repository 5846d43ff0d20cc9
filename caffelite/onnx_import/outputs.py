"""The model's outputs keep their names, also where no layer computes them."""

from __future__ import annotations

from collections.abc import MutableSequence

from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node


def name_outputs(net: Building) -> None:
    """Let the blobs of the model's outputs be called as these: the layer that makes one is renamed, or one is added."""
    ends = set(net.graph.inputs) | set(net.graph.outputs)
    read = {bottom for made in net.layers for bottom in made.param.bottom}
    for tensor in net.graph.outputs:
        node = Node("Output", tensor, [tensor], [tensor], {})
        blob = net.blob(node, tensor)
        source = net.sources.get(blob, "")
        if source == tensor:
            if blob in read:
                net.note(f'output "{blob}" is read by further layers, too: net.blobs has it, net.outputs does not')
        elif source in ends:
            net.add(node, "Split", [blob], tensor)
        else:
            del net.held[tensor]
            _rename(net, blob, net.top(tensor))


def _rename(net: Building, old: str, new: str) -> None:
    net.sources[new] = net.sources.get(new) or net.sources.pop(old)
    for tensor, blob in net.held.items():
        if blob == old:
            net.held[tensor] = new
    for made in net.layers:
        for names in (made.param.bottom, made.param.top):
            _replace(names, old, new)


def _replace(names: MutableSequence[str], old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new
