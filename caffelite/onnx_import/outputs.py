"""The model's outputs keep their names, also where no layer computes them."""

from __future__ import annotations

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
            net.sources.pop(blob, None)
            net.rename(blob, net.top(tensor))
