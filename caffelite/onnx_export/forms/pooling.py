"""Forms of Pooling: Caffe rounds the number of windows up, and lets them reach over the edge.

ONNX's ceil_mode means the same for windows that overlap or touch each other, as long as none would begin in the padding
behind the image: Caffe leaves that one out, ONNX's shape inference counts it. Where that can be, less padding behind
makes as many windows. Windows that leave pixels out (kernel < stride) may begin beyond the edge; for those the image is
extended, which fixes its size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.kernels.pooling import Window
from caffelite.core.layers.pixel_mean_pooling import PixelMeanPoolingLayer
from caffelite.core.layers.shared.pooling_window import rounds_down
from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import FLOAT
from caffelite.onnx_export.writer import Writer
from caffelite.proto.caffe_pb2 import PoolingParameter

LOWEST = float(np.finfo(np.float32).min)


@form("Pooling")
def pooling(writer: Writer) -> str | list[str]:
    """Write MaxPool or AveragePool, or that of the whole plane."""
    param = writer.param.pooling_param
    if param.pool == PoolingParameter.STOCHASTIC:
        return stochastic(writer)
    if param.global_pooling and len(writer.top_shapes) == 1:
        return writer.op("GlobalMaxPool" if param.pool == PoolingParameter.MAX else "GlobalAveragePool", writer.bottom)
    return average(writer) if param.pool == PoolingParameter.AVE else largest(writer)


def largest(writer: Writer) -> str | list[str]:
    """Write MaxPool, with the places in the plane if there is a second top."""
    window = writer.layer.window
    value, attributes = writer.bottom, _attributes(window)
    if not _rounded_down(writer, window):
        attributes = _attributes(window, [min(pad, kernel - stride) for kernel, stride, pad in _axes(window)], ceil=1)
        if _leaves_pixels_out(window):
            value, attributes = _extended(writer, value, _ends(writer, window), LOWEST), _attributes(_bare(window))
    if len(writer.top_shapes) == 1:
        return writer.op("MaxPool", value, **attributes)
    if value != writer.bottom:
        raise writer.error("top", "given twice", "give windows that reach beyond the edge no top for the places")
    made, places = writer.ops_of("MaxPool", [value], 2, **attributes)
    height, width = writer.bottom_shapes[0][2:]
    return [made, writer.op("Cast", writer.op("Mod", places, writer.ints(height * width)), to=FLOAT)]


def average(writer: Writer) -> str:
    """Write AveragePool; the zeros of the padding count, what lies beyond them does not."""
    window = writer.layer.window
    padded = bool(window.pad_h or window.pad_w)
    if isinstance(writer.layer, PixelMeanPoolingLayer):
        return _average_of_pixels(writer, window)
    if _rounded_down(writer, window):
        return writer.op("AveragePool", writer.bottom, **_attributes(window), count_include_pad=int(padded))
    beyond, ceil = [0, 0], 1
    ends = pads = [window.pad_h, window.pad_w]
    if _leaves_pixels_out(window) or padded and any(stride + pad > kernel for kernel, stride, pad in _axes(window)):
        ends, ceil = _ends(writer, window), 0
        pads = [min(end, pad) for end, (_, _, pad) in zip(ends, _axes(window), strict=True)]
        beyond = [end - pad for end, pad in zip(ends, pads, strict=True)]
        if any(extra >= kernel for extra, (kernel, _, _) in zip(beyond, _axes(window), strict=True)):
            raise writer.error("pooling_param.pool", "AVE", "a window lies beyond the edge, where there is no mean")
    value = _extended(writer, writer.bottom, pads, 0)
    return writer.op("AveragePool", value, **_attributes(_bare(window), beyond, ceil))


def _average_of_pixels(writer: Writer, window: Window) -> str:
    """Write AveragePool, in which the padding does not count, so that it may be cut as that of MaxPool."""
    attributes = _attributes(window)
    if not _rounded_down(writer, window):
        attributes = _attributes(window, [min(pad, kernel - stride) for kernel, stride, pad in _axes(window)], ceil=1)
        if _leaves_pixels_out(window):
            ends = _ends(writer, window)
            if any(end >= kernel for end, (kernel, _, _) in zip(ends, _axes(window), strict=True)):
                raise writer.error("pooling_param.pool", "AVE", "a window lies beyond the edge, where there is no mean")
            attributes = _attributes(window, ends)
    return writer.op("AveragePool", writer.bottom, **attributes)


def stochastic(writer: Writer) -> str:
    """Write what STOCHASTIC pooling expects in TEST: sum(x^2) / sum(x), 0 where all are 0."""
    window = writer.layer.window
    area = writer.constant(window.kernel_h * window.kernel_w)
    value = _extended(writer, writer.bottom, _ends(writer, window), 0)
    attributes = _attributes(_bare(window))
    means = [writer.op("AveragePool", v, **attributes) for v in (value, writer.op("Mul", value, value))]
    sums, squares = (writer.op("Mul", mean, area) for mean in means)
    some, zero = writer.op("Greater", sums, writer.constant(0)), writer.constant(0)
    quotient = writer.op("Div", squares, writer.op("Where", some, sums, writer.constant(1)))
    return writer.op("Where", some, quotient, zero)


def _axes(window: Window) -> list[tuple[int, int, int]]:
    """Return kernel, stride and pad of each axis."""
    return [
        (window.kernel_h, window.stride_h, window.pad_h),
        (window.kernel_w, window.stride_w, window.pad_w),
    ]


def _rounded_down(writer: Writer, window: Window) -> bool:
    """Whether the number of windows is rounded down, or there is nothing to round."""
    return rounds_down(writer.param.pooling_param) or window.stride_h == window.stride_w == 1


def _leaves_pixels_out(window: Window) -> bool:
    return any(kernel < stride for kernel, stride, _ in _axes(window))


def _bare(window: Window) -> Window:
    """Return the window for an image that has its padding."""
    return window._replace(pad_h=0, pad_w=0)


def _attributes(window: Window, behind: list[int] | None = None, ceil: int = 0) -> dict[str, Any]:
    """Return the attributes of a pooling operator; `behind`: padding below and to the right, if not as before."""
    pads = [window.pad_h, window.pad_w]
    return {
        "kernel_shape": [window.kernel_h, window.kernel_w],
        "strides": [window.stride_h, window.stride_w],
        "pads": [*pads, *(pads if behind is None else behind)],
        "ceil_mode": ceil,
    }


def _ends(writer: Writer, window: Window) -> list[int]:
    """Return how many pixels beyond the image the last window reaches, down and across."""
    writer.fix(writer.bottom_shapes[0][2:])
    sizes = zip(writer.bottom_shapes[0][2:], writer.top_shapes[0][2:], _axes(window), strict=True)
    return [max((count - 1) * stride + kernel - pad - size, 0) for size, count, (kernel, stride, pad) in sizes]


def _extended(writer: Writer, value: str, behind: list[int], filled: float) -> str:
    """Write the image with the padding of the window, and `behind` pixels below and to the right."""
    window = writer.layer.window
    if not (any(behind) or window.pad_h or window.pad_w):
        return value
    pads = writer.ints(0, 0, window.pad_h, window.pad_w, 0, 0, *behind)
    return writer.op("Pad", value, pads, writer.constant(filled))
