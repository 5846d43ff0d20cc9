"""Forms of BatchNorm and BN, of BVLC and of the forks."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.bn import SEGNETS_EPS, ParseNetBNLayer, SegNetBNLayer
from caffelite.core.layers.scaled_batch_norm import ScaledBatchNormLayer
from caffelite.onnx_export.form import form
from caffelite.onnx_export.writer import Writer


@form("BatchNorm")
def batch_norm(writer: Writer) -> str:
    """Write BatchNormalization with the stored statistics, or what computes those of the batch."""
    layer, eps = writer.layer, writer.param.batch_norm_param.eps
    numbers: tuple[int | None, int | None] = (None, None)
    if isinstance(layer, ScaledBatchNormLayer):
        eps, numbers = layer.added, (layer.scale_blob, layer.shift_blob)
    statistics = None
    if layer.use_global_stats:
        factor = writer.values(2).reshape(-1)[0]
        statistics = [writer.values(number) * np.float32(0 if factor == 0 else 1 / factor) for number in (0, 1)]
    made = _batch_norm(writer, numbers, statistics, eps)
    return writer.op("Relu", made) if isinstance(layer, ScaledBatchNormLayer) and layer.relu else made


@form("BN")
def bn(writer: Writer) -> str:
    """Write the BN of one of three forks."""
    layer, param = writer.layer, writer.param.bn_param
    if len(writer.top_shapes) > 1:
        raise writer.error("top", f"given {len(writer.top_shapes)} times", "leave out the statistics of the batch")
    if isinstance(layer, SegNetBNLayer):
        if layer.inference:
            return _batch_norm(writer, (0, 1), [np.zeros(layer.channels), np.ones(layer.channels)], 0.0)
        return _batch_norm(writer, (0, 1), None, SEGNETS_EPS)
    statistics = [writer.values(number).reshape(-1) for number in (2, 3)] if layer.running else None
    return _batch_norm(writer, (0, 1), statistics, layer.added if isinstance(layer, ParseNetBNLayer) else param.eps)


def _batch_norm(
    writer: Writer, numbers: tuple[int | None, int | None], statistics: list[Array] | None, eps: float
) -> str:
    """Write a normalization by these statistics, None being the batch's, with scale and shift of these blobs."""
    channels = writer.layer.channels
    scale, shift = (
        np.full(channels, otherwise) if number is None else writer.values(number).reshape(-1)
        for number, otherwise in zip(numbers, (1, 0), strict=True)
    )
    if statistics is not None:
        constants = [writer.constant(values) for values in (scale, shift, *statistics)]
        return writer.op("BatchNormalization", writer.bottom, *constants, epsilon=eps)
    axes = [axis for axis in range(writer.num_axes) if axis != 1]
    made, behind = _normalized(writer, writer.bottom, axes, eps), [1] * (writer.num_axes - 2)
    if numbers[0] is not None:
        made = writer.op("Mul", made, writer.constant(scale.reshape(-1, *behind)))
    return made if numbers[1] is None else writer.op("Add", made, writer.constant(shift.reshape(-1, *behind)))


def _normalized(writer: Writer, value: str, axes: list[int], eps: float) -> str:
    """Write (x - mean) / sqrt(variance + eps)."""
    centred = writer.op("Sub", value, writer.op("ReduceMean", value, axes=axes, keepdims=1))
    variance = writer.op("ReduceMean", writer.op("Mul", centred, centred), axes=axes, keepdims=1)
    return writer.op("Div", centred, writer.op("Sqrt", writer.op("Add", variance, writer.constant(eps))))
