"""The graph of a net in the language of Graphviz, as Net.dump and dumpToFile write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from caffelite.cv2dnn.engine import Shapes
from caffelite.cv2dnn.nodes import INPUT_NAME, Nodes
from caffelite.proto.caffe_pb2 import LayerParameter

_CPU = "caffelite/CPU"


def graph(nodes: Nodes, shapes: Sequence[Shapes] | None) -> str:
    """Return a digraph: a box a layer, with its fields and, where shapes are given, those of its outputs."""
    return "\n".join(["digraph G {", *_boxes(nodes, shapes), "", *_edges(nodes), "}", ""])


def _boxes(nodes: Nodes, shapes: Sequence[Shapes] | None) -> Iterator[str]:
    yield f"\t{_quoted(INPUT_NAME)} [label={_quoted(INPUT_NAME, *nodes.inputs)} shape=box]"
    for number, node in enumerate(nodes.nodes):
        lines = [node.name, node.type, *_fields(node.layer)]
        if shapes is not None:
            lines += [f"output: {' x '.join(map(str, shape))}" for shape in shapes[number].outputs]
        yield f"\t{_quoted(node.name)} [label={_quoted(*lines, _CPU)} style=filled shape=box]"


def _fields(layer: LayerParameter) -> Iterator[str]:
    """Yield the layer's own numbers and words, such as `kernel_size: 3`; how parameters begin is left out."""
    for field, message in layer.ListFields():
        if field.name.endswith("_param") and isinstance(message, Message):
            for inner, value in message.ListFields():
                if not inner.message_type:
                    values = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
                    yield f"{inner.name}: {', '.join(map(str, values))}"


def _edges(nodes: Nodes) -> Iterator[str]:
    names = [INPUT_NAME, *(node.name for node in nodes.nodes)]
    for node in nodes.nodes:
        for pin in node.bottoms:
            yield f"\t{_quoted(names[pin.node])} -> {_quoted(node.name)}"


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
