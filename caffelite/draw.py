"""Draw nets as pycaffe does: a graph of layers and blobs from a NetParameter. Source: python/caffe/draw.py.

The graph is made by pydot, the picture by Graphviz: `pip install 'caffelite[draw]'` brings both. `caffelite draw_net`
draws more: shapes, and repeated blocks as boxes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from caffelite.core.errors import UsageError
from caffelite.core.type_names import CONVOLUTIONS
from caffelite.drawing.render import MISSING, render
from caffelite.drawing.words import lr_mults
from caffelite.proto import caffe_pb2

LAYER_STYLE_DEFAULT: dict[str, Any] = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
NEURON_LAYER_STYLE: dict[str, Any] = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
BLOB_STYLE: dict[str, Any] = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}

_COLOURS = {
    **dict.fromkeys(CONVOLUTIONS, "#FF5050"),
    "Pooling": "#FF9900",
    "InnerProduct": "#CC33FF",
}


def get_pooling_types_dict() -> dict[int, str]:
    """Return the names of the pooling methods by their numbers: 0 is MAX, ..."""
    return {value.number: value.name for value in caffe_pb2.PoolingParameter.PoolMethod.DESCRIPTOR.values}


def get_layer_lr_mult(layer: caffe_pb2.LayerParameter) -> tuple[float, float]:
    """Return lr_mult of weights and bias of a layer with weights, 1 where nothing is written.

    Raises ValueError for a layer of another type, or with more than two `param`.
    """
    if layer.type not in (*CONVOLUTIONS, "InnerProduct"):
        raise ValueError(f'layer "{layer.name}" ({layer.type}): lr_mult is asked for, and such a layer has none')
    if len(layer.param) > 2:
        raise ValueError(
            f'layer "{layer.name}" ({layer.type}): param is given {len(layer.param)} times; 2 are the most'
        )
    return lr_mults(layer)


def get_layer_label(layer: caffe_pb2.LayerParameter, rankdir: str, display_lrm: bool = False) -> str:
    r"""Return what stands in a layer's node, in quotes: name, type, window, and with `display_lrm` learning rates.

    The parts are joined by `\n`, with rankdir TB or BT by a space.
    """
    parts = [layer.name, f"({layer.type})"]
    if layer.type in CONVOLUTIONS:
        param = layer.convolution_param
        window = zip((param.kernel_size, param.stride, param.pad), (1, 1, 0), strict=True)
        parts += _window(*(values[0] if values else default for values, default in window))
    elif layer.type == "Pooling":
        pooling = layer.pooling_param
        parts[1] = f"(Pooling {get_pooling_types_dict()[pooling.pool]})"
        parts += _window(pooling.kernel_size, pooling.stride, pooling.pad)
    if display_lrm and layer.type in (*CONVOLUTIONS, "InnerProduct"):
        weights, bias = get_layer_lr_mult(layer)
        if weights or bias:
            parts.append(f"lr mult: {weights:.1f}, {bias:.1f}")
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    return _quoted(separator.join(parts))


def _window(kernel_size: int, stride: int, pad: int) -> list[str]:
    return [f"kernel size: {kernel_size}", f"stride: {stride}", f"pad: {pad}"]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', r"\"") + '"'


def get_edge_label(layer: caffe_pb2.LayerParameter) -> str:
    """Return what stands at a layer's tops: the batch size of a Data layer, num_output, or `""`."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in CONVOLUTIONS:
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return '""'


def choose_color_by_layertype(layertype: str) -> str:
    """Return the colour of a layer's node, as #RRGGBB."""
    return _COLOURS.get(layertype, "#6495ED")


def get_pydot_graph(
    caffe_net: caffe_pb2.NetParameter,
    rankdir: str,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> Any:
    """Return a pydot.Dot of a net's layers (`name_type`) and blobs (`name_blob`).

    `rankdir` is LR, RL, TB or BT; with `phase`, TRAIN or TEST, only layers whose rules let them be in it are drawn.
    Raises ValueError for a layer with include and exclude rules, UsageError if pydot is not installed.
    """
    try:
        import pydot
    except ImportError:
        raise UsageError(MISSING) from None
    graph = pydot.Dot(_quoted(caffe_net.name or "Net"), graph_type="digraph", rankdir=rankdir)
    layers = [layer for layer in caffe_net.layer if phase is None or _is_in_phase(layer, phase)]
    read = {bottom for layer in layers for bottom in layer.bottom}
    blobs = dict.fromkeys(blob for layer in layers for blob in (*layer.bottom, *layer.top))
    for name, layer in {_node_name(layer): layer for layer in layers}.items():  # Data of both phases is one node
        label = get_layer_label(layer, rankdir, display_lrm=display_lrm)
        graph.add_node(pydot.Node(name, label=label, **_style(layer)))
    for blob in blobs:
        graph.add_node(pydot.Node(_blob_name(blob), label=_quoted(blob), **(BLOB_STYLE if blob in read else {})))
    for layer in layers:
        for bottom in layer.bottom:
            graph.add_edge(pydot.Edge(_blob_name(bottom), _node_name(layer), label='""'))
        label = get_edge_label(layer) if label_edges else '""'
        for top in layer.top:
            graph.add_edge(pydot.Edge(_node_name(layer), _blob_name(top), label=label))
    return graph


def _node_name(layer: caffe_pb2.LayerParameter) -> str:
    return _quoted(f"{layer.name}_{layer.type}")


def _blob_name(blob: str) -> str:
    return _quoted(f"{blob}_blob")


def _style(layer: caffe_pb2.LayerParameter) -> dict[str, Any]:
    if len(layer.bottom) == 1 and len(layer.top) == 1 and layer.bottom[0] == layer.top[0]:
        return NEURON_LAYER_STYLE
    return {**LAYER_STYLE_DEFAULT, "fillcolor": choose_color_by_layertype(layer.type)}


def _is_in_phase(layer: caffe_pb2.LayerParameter, phase: int) -> bool:
    if layer.include and layer.exclude:
        raise ValueError(f'layer "{layer.name}" has include and exclude rules; write either the one or the other')
    included = not layer.include or phase in _phases(layer.include)
    return included and phase not in _phases(layer.exclude)


def _phases(rules: Any) -> Iterator[int]:
    return (rule.phase for rule in rules)


def draw_net(
    caffe_net: caffe_pb2.NetParameter,
    rankdir: str,
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
) -> bytes:
    """Return the picture of a net in a format of Graphviz's: png, svg, pdf, ...; the rest as of get_pydot_graph."""
    graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    return render(graph.to_string(), ext)


def draw_net_to_file(
    caffe_net: caffe_pb2.NetParameter,
    filename: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Write the picture of a net to a file, in the format that the end of its name says; the rest as of draw_net."""
    ext = os.fspath(filename).rpartition(".")[2]
    picture = draw_net(caffe_net, rankdir, ext, phase, display_lrm)
    with open(filename, "wb") as file:
        file.write(picture)
