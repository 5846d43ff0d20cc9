"""What stands in a layer's node: its figures in a few words, its learning rates, and its colour."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from caffelite.core.blob import Shape
from caffelite.core.type_names import CONVOLUTIONS
from caffelite.proto.caffe_pb2 import EltwiseParameter, LayerParameter, PoolingParameter

TIMES = "\u00d7"  # the sign of multiplication

_COLOURS = {
    "#eeeeee": ("Input", "DummyData", "Parameter"),
    "#f8cecc": (*CONVOLUTIONS, "Im2col"),
    "#ffe0b2": ("Pooling", "SPP"),
    "#e1d0f0": ("InnerProduct", "Embed", "LSTM", "Lstm", "RNN"),
    "#d5e8d4": (
        "ReLU",
        "PReLU",
        "ELU",
        "SeLu",
        "Sigmoid",
        "TanH",
        "AbsVal",
        "BNLL",
        "Power",
        "Exp",
        "Log",
        "Clip",
        "Swish",
    ),
    "#dae8fc": ("BatchNorm", "BN", "Scale", "Bias", "LRN", "MVN"),
    "#fff2cc": ("Concat", "Eltwise", "Slice", "Split", "Crop", "Reshape", "Flatten", "Tile"),
    "#f5f5f5": ("Dropout", "SpatialDropout", "Silence"),
    "#f6c9dd": ("Softmax", "Accuracy", "ArgMax"),
}
_COLOUR_OF = {name: colour for colour, names in _COLOURS.items() for name in names}


def colour(layer: LayerParameter) -> str:
    """Return the colour of a layer as #rrggbb: layers that do alike things have one colour."""
    if layer.type.endswith("Data"):
        return "#eeeeee"
    if layer.type.endswith("Loss"):
        return "#f6c9dd"
    return _COLOUR_OF.get(layer.type, "#e6e6fa")


def shape_words(shape: Shape) -> str:
    """Return `64x3x224x224` with multiplication signs; `1 number` of a scalar."""
    return TIMES.join(map(str, shape)) or "1 number"


def figures(layer: LayerParameter) -> str:
    """Return the layer's figures, such as `64 of 7x7, stride 2, pad 3`; "" for a type without any."""
    return _FIGURES[layer.type](layer) if layer.type in _FIGURES else ""


def lr_mults(layer: LayerParameter) -> tuple[float, float]:
    """Return lr_mult of weights and bias, 1 where nothing is written."""
    weights, bias = [*(param.lr_mult for param in layer.param), 1.0, 1.0][:2]
    return weights, bias


def _convolution(layer: LayerParameter) -> str:
    param = layer.convolution_param
    parts = [f"{param.num_output} of {_kernel(param.kernel_size, param.kernel_h, param.kernel_w)}"]
    parts += _placed("stride", _pair(param.stride, param.stride_h, param.stride_w), "1")
    parts += _placed("pad", _pair(param.pad, param.pad_h, param.pad_w), "0")
    parts += _placed("dilation", _pair(param.dilation, 0, 0), "1")
    parts += [f"{param.group} groups"] if param.group > 1 else []
    return ", ".join(parts)


def _pooling(layer: LayerParameter) -> str:
    param = layer.pooling_param
    method = PoolingParameter.PoolMethod.Name(param.pool)
    if param.global_pooling:
        return f"{method}, global"
    parts = [f"{method} {_kernel([param.kernel_size], param.kernel_h, param.kernel_w)}"]
    parts += _placed("stride", _pair([param.stride], param.stride_h, param.stride_w), "1")
    parts += _placed("pad", _pair([param.pad], param.pad_h, param.pad_w), "0")
    return ", ".join(parts)


def _pair(sizes: Sequence[int], height: int, width: int) -> str:
    """Return `3x5`, with a sign of multiplication, or `3` for what is the same along all axes."""
    if height or width:
        return f"{height}{TIMES}{width}"
    return TIMES.join(map(str, sizes[:1] if len(set(sizes)) == 1 else sizes))


def _kernel(sizes: Sequence[int], height: int, width: int) -> str:
    """Return `3x3`, with a sign of multiplication, or all sizes that are given."""
    size = _pair(sizes, height, width)
    return size if TIMES in size else f"{size}{TIMES}{size}"


def _placed(name: str, value: str, usual: str) -> list[str]:
    return [f"{name} {value}"] if value not in ("", usual) else []


_SOURCES = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
    "HDF5Data": "hdf5_data_param",
}


def _data(layer: LayerParameter) -> str:
    param: Any = getattr(layer, _SOURCES[layer.type])
    return f"{os.path.basename(param.source.rstrip('/'))}, batches of {param.batch_size}"


_FIGURES: dict[str, Callable[[LayerParameter], str]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    "Pooling": _pooling,
    **dict.fromkeys(_SOURCES, _data),
    "InnerProduct": lambda layer: f"{layer.inner_product_param.num_output} outputs",
    "Dropout": lambda layer: f"{layer.dropout_param.dropout_ratio:g}",
    "Eltwise": lambda layer: EltwiseParameter.EltwiseOp.Name(layer.eltwise_param.operation),
    "LRN": lambda layer: f"over {layer.lrn_param.local_size}",
    "Accuracy": lambda layer: f"top {layer.accuracy_param.top_k}",
    "LSTM": lambda layer: f"{layer.recurrent_param.num_output} units",
    "Lstm": lambda layer: f"{layer.lstm_param.num_output} units",
    "RNN": lambda layer: f"{layer.recurrent_param.num_output} units",
    "Python": lambda layer: f"{layer.python_param.module}.{layer.python_param.layer}",
}
