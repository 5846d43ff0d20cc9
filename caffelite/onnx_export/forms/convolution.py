"""Forms of Convolution and Deconvolution."""

from __future__ import annotations

from typing import Any

from caffelite.core.layers.shared.window import Window
from caffelite.onnx_export.form import form
from caffelite.onnx_export.writer import Writer


@form("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConvolutionLayer")
def convolution(writer: Writer) -> list[str]:
    """Write Conv for each bottom, all with the same weights."""
    return [_spatial(writer, index, "Conv") for index in range(len(writer.bottoms))]


@form("Deconvolution")
def deconvolution(writer: Writer) -> list[str]:
    """Write ConvTranspose for each bottom."""
    return [_spatial(writer, index, "ConvTranspose") for index in range(len(writer.bottoms))]


def _spatial(writer: Writer, index: int, operator: str) -> str:
    """Write the operator, on a bottom whose channels are on axis 1 and that has spatial axes; else reshaped to it."""
    layer, shape = writer.layer, writer.bottom_shapes[index]
    axis, window = layer.channel_axis, layer.window
    value, flat = writer.bottoms[index], axis != 1 or not window.kernel
    if flat:
        value = writer.reshape(value, -1, layer.channels, *(shape[axis + 1 :] or (1,)))
    if operator == "Conv":
        value = with_room(writer, value, window, shape[axis + 1 :])
    made = writer.op(operator, value, *_parameters(writer, window), group=layer.group, **attributes_of(window))
    if not flat:
        return made
    return writer.reshape(made, *writer.top_shapes[index])


def _parameters(writer: Writer, window: Window) -> list[str]:
    names = [writer.weight(number) for number in range(len(writer.layer.blobs))]
    if not window.kernel:
        names[0] = writer.constant(writer.values(0)[..., None])
    return names


def attributes_of(window: Window) -> dict[str, Any]:
    """Return the attributes of a window: as many numbers each as there are spatial axes."""
    return {
        "kernel_shape": list(window.kernel or (1,)),
        "strides": list(window.stride or (1,)),
        "pads": list(window.pad or (0,)) * 2,
        "dilations": list(window.dilation or (1,)),
    }


def with_room(writer: Writer, value: str, window: Window, spatial: tuple[int, ...]) -> str:
    """Write zeros behind an image that is smaller than the kernel, which Caffe lets a strided window reach over."""
    missing = [
        max(0, extent - size - 2 * pad) for extent, size, pad in zip(window.extent, spatial, window.pad, strict=True)
    ]
    if not any(missing):
        return value
    before = [0] * (len(spatial) + 2)
    return writer.op("Pad", value, writer.ints(*before, 0, 0, *missing), writer.constant(0))
