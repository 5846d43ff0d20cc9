"""From a built net to an ONNX graph: its layers' forms, one after the other, under the blobs' own names."""

from __future__ import annotations

from collections.abc import Sequence

from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.net.graph import Node
from caffelite.core.net.net import Net
from caffelite.core.net.plan import with_location
from caffelite.onnx_export.form import FORMS
from caffelite.onnx_export.graph import Graph, Op
from caffelite.onnx_export.writer import Writer


def graph_of_net(net: Net) -> Graph:
    """Return the graph of a net of phase TEST at its present shapes.

    Blobs keep their names; where layers work in place the last value has the blob's name, and that which a layer reads
    before is named "conv1_before_relu1". Inputs are never renamed.
    Raises LayerError, with file and line, for what ONNX cannot say.
    """
    graph = Graph(net.name or "net", inputs=list(net.inputs))
    nodes = [node for node in net.graph().nodes if not net.core_layers[node.index].is_input]
    names = _top_names(nodes, net.inputs)
    graph.names = {*net.inputs, *(top for tops in names for top in tops)}
    present = {name: name for name in net.inputs}
    graph.shapes.update({name: blob.shape for name, blob in input_blobs(net).items()})
    weights: dict[int, str] = {}
    for node, tops in zip(nodes, names, strict=True):
        bottoms = [present[blob] for blob in node.bottoms]
        _write(graph, net, node, bottoms, tops, weights)
        present.update(zip(node.tops, tops, strict=True))
    graph.outputs = [_as_output(graph, present[blob]) for blob in net.outputs]
    graph.drop_unread()
    return graph


def input_blobs(net: Net) -> dict[str, Blob]:
    """Return the blobs that the user fills, by name."""
    sources = [index for index, layer in enumerate(net.core_layers) if layer.is_input]
    return {name: blob for index in sources for name, blob in net.tops(index)}


def _top_names(nodes: Sequence[Node], inputs: Sequence[str]) -> list[list[str]]:
    """Return the name of each top of each layer: the blob's, or for a value that another layer overwrites its own."""
    taken = {blob for node in nodes for blob in node.tops} | set(inputs)
    following: dict[str, str] = {}  # blob -> the layer that overwrites what is there
    last = set(inputs)  # of these the first value has the blob's name
    names: list[list[str]] = []
    for node in reversed(nodes):
        named = []
        for blob in node.tops:
            name = f"{blob}_before_{following[blob]}" if blob in following else blob
            name = f"{blob}_after_{node.name}" if blob in last else name
            following[blob] = node.name
            while name in taken and name != blob:
                name += "_"
            taken.add(name)
            named.append(name)
        names.append(named)
    return names[::-1]


def _write(
    graph: Graph, net: Net, node: Node, bottoms: Sequence[str], tops: Sequence[str], weights: dict[int, str]
) -> None:
    layer = net.core_layers[node.index]
    writer = Writer(graph, layer, bottoms, node.bottom_shapes, node.top_shapes, weights)
    try:
        made = FORMS[node.type](writer)
    except LayerError as err:
        raise with_location(err, layer.layer_param, layer.place) from None
    values = [made] if isinstance(made, str) else list(made)
    assert len(values) == len(tops), f"the form of {node.type} makes {len(values)} values for {len(tops)} tops"
    _bind(writer, values, tops)
    graph.ops += writer.ops
    graph.shapes.update(zip(tops, node.top_shapes, strict=True))
    if any(bottom in graph.loose for bottom in bottoms):  # whatever is made of it may be so, too
        graph.loose.update({top: frozenset(range(len(graph.shapes[top]))) for top in tops})
    graph.loose.update({tops[number]: axes for number, axes in writer.loose.items()})


def _bind(writer: Writer, values: Sequence[str], tops: Sequence[str]) -> None:
    """Give the values of a form the names of the tops; a value that has a name already, or two tops, is passed on."""
    made = {output for op in writer.ops for output in op.outputs}
    renamed: dict[str, str] = {}
    passed: list[Op] = []
    for value, top in zip(values, tops, strict=True):
        if value in made and value not in renamed:
            renamed[value] = top
        else:
            source = renamed.get(value, value)
            passed.append(Op("Identity", [source], [top], {}, f"{writer.layer.name}/{top}"))
    for op in writer.ops:
        op.inputs = [renamed.get(name, name) for name in op.inputs]
        op.outputs = [renamed.get(name, name) for name in op.outputs]
    writer.ops += passed
    taken = {op.name for op in writer.graph.ops}
    for op in writer.ops:  # layers may have one name, operators may not
        op.name = writer.layer.name if op.outputs[0] == tops[0] else op.name
        while op.name in taken:
            op.name += "_"
        taken.add(op.name)


def _as_output(graph: Graph, value: str) -> str:
    """Return the name of an output; an input that is one, too, is passed on under a name of its own."""
    if value not in graph.inputs:
        return value
    name = graph.new_name(f"{value}_out")
    graph.ops.append(Op("Identity", [value], [name], {}, name))
    graph.shapes[name] = graph.shapes[value]
    return name
