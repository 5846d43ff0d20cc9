"""The form of PSROIPooling: means of bins as products with masks of rows and columns."""

from __future__ import annotations

import numpy as np

from caffelite.core.layers.psroi_pooling import SMALLEST
from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import FLOAT
from caffelite.onnx_export.writer import Writer


@form("PSROIPooling")
def psroi_pooling(writer: Writer) -> str:
    """Write sums over the rows, then over the columns of each bin, then over the images, of which a region has one.

    The size of the maps is fixed by that, and so is the batch.
    """
    group, depth = writer.layer.group, writer.layer.depth
    num, _, height, width = writer.bottom_shapes[0]
    image, left, top, right, bottom = writer.ops_of(
        "Split", [writer.reshape(writer.bottoms[1], -1, 5), writer.ints(1, 1, 1, 1, 1)], 5, axis=1
    )
    rows, tall = _masks(writer, top, bottom, group, height)
    columns, wide = _masks(writer, left, right, group, width)
    maps = writer.reshape(writer.bottom, num, depth, group, group, height, width)
    by_rows = writer.op("Transpose", maps, perm=[2, 4, 0, 1, 3, 5])  # i, row, image, depth, j, column
    by_rows = writer.reshape(by_rows, group, height, num * depth * group * width)
    sums = writer.op("MatMul", writer.op("Transpose", rows, perm=[1, 0, 2]), by_rows)  # i, region, all else
    sums = writer.reshape(sums, group, -1, num, depth, group, width)
    columns = writer.reshape(columns, -1, 1, 1, group, width)
    sums = _sum(writer, writer.op("Mul", sums, columns), 5)
    chosen = _as_float(writer, writer.op("Equal", image, writer.constant(np.arange(num)[None])))
    sums = _sum(writer, writer.op("Mul", sums, writer.reshape(chosen, -1, num, 1, 1)), 2)  # i, region, depth, j
    sums = writer.op("Transpose", sums, perm=[1, 2, 0, 3])
    pixels = writer.op("Mul", writer.reshape(tall, -1, 1, group, 1), writer.reshape(wide, -1, 1, 1, group))
    return writer.op("Div", sums, writer.op("Max", pixels, writer.constant(1)))


def _masks(writer: Writer, first: str, last: str, group: int, length: int) -> tuple[str, str]:
    """Write which pixels of an axis are in each bin, (R, group, length), and how many, (R, group)."""
    scale = writer.constant(writer.layer.scale)
    start = writer.op("Mul", _rounded(writer, first), scale)
    end = writer.op("Mul", writer.op("Add", _rounded(writer, last), writer.constant(1)), scale)
    size = writer.op("Max", writer.op("Sub", end, start), writer.constant(SMALLEST))
    size = writer.op("Div", size, writer.constant(group))
    begin, stop = (
        writer.op("Add", writer.op("Mul", size, writer.constant(numbers[None])), start)
        for numbers in (np.arange(group), np.arange(1, group + 1))
    )
    begin, stop = (
        writer.reshape(writer.op(way, edge), -1, group, 1) for way, edge in (("Floor", begin), ("Ceil", stop))
    )
    places = writer.constant(np.arange(length)[None, None])
    below, above = writer.op("Less", places, begin), writer.op("Less", places, stop)
    inside = writer.op("Sub", _as_float(writer, above), _as_float(writer, below))  # stop is never before begin
    return inside, writer.reshape(_sum(writer, inside, 2), -1, group)


def _rounded(writer: Writer, values: str) -> str:
    """Write the nearest whole numbers, halves away from zero."""
    whole = writer.op("Floor", writer.op("Add", writer.op("Abs", values), writer.constant(0.5)))
    return writer.op("Mul", writer.op("Sign", values), whole)


def _as_float(writer: Writer, truth: str) -> str:
    return writer.op("Cast", truth, to=FLOAT)


def _sum(writer: Writer, values: str, axis: int) -> str:
    return writer.op("ReduceSum", values, writer.ints(axis), keepdims=0)
