"""Forms of the layers that give values another shape."""

from __future__ import annotations

from caffelite.core.layers.reshape import is_pixel_shuffler
from caffelite.onnx_export.form import form
from caffelite.onnx_export.writer import Writer


@form("Flatten")
def flatten(writer: Writer) -> str:
    """Write Flatten of all behind the first axis, else Reshape."""
    param = writer.param.flatten_param
    axes = writer.num_axes
    start, end = param.axis % axes, param.end_axis % axes
    if start == 1 and end == axes - 1 and axes > 1:
        return writer.op("Flatten", writer.bottom, axis=1)
    if start > end:
        return writer.op("Unsqueeze", writer.bottom, writer.ints(start))
    shape = writer.bottom_shapes[0]
    return writer.reshape(writer.bottom, *[0] * start, -1, *_behind(shape, end + 1, start + 1))


@form("Reshape")
def reshape(writer: Writer) -> str:
    """Write Reshape, in which 0 and -1 mean the same; a pixelshuffler is DepthToSpace."""
    if is_pixel_shuffler(writer.param):
        return writer.op("DepthToSpace", writer.bottom, blocksize=writer.param.reshape_param.pixelshuffler, mode="CRD")
    param, shape = writer.param.reshape_param, writer.bottom_shapes[0]
    start = param.axis if param.axis >= 0 else writer.num_axes + param.axis + 1
    end = writer.num_axes if param.num_axes == -1 else start + param.num_axes
    sizes = [0] * start + list(param.shape.dim)
    return writer.reshape(writer.bottom, *sizes, *_behind(shape, end, len(sizes)))


def _behind(shape: tuple[int, ...], end: int, at: int) -> list[int]:
    """Return the sizes behind the axes that are replaced: 0, the bottom's own, where they keep their places."""
    return [0] * (len(shape) - end) if at == end else list(shape[end:])
