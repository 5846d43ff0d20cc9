"""By what a loss divides its sum: loss_param. Source: src/caffe/layers/softmax_loss_layer.cpp, get_normalizer."""

from __future__ import annotations

from caffelite.proto import caffe_pb2

LossParameter = caffe_pb2.LossParameter


def normalization_mode(param: LossParameter, default: int) -> int:
    """Return the mode of loss_param: `normalization`, or what the old field `normalize` means, or the default."""
    if param.HasField("normalization") or not param.HasField("normalize"):
        return param.normalization if param.HasField("normalization") else default
    return LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE


def normalizer(mode: int, outer: int, inner: int, valid: int) -> float:
    """Return the divisor, at least 1, for outer x inner positions, `valid` of them not ignored."""
    by_mode: dict[int, int] = {
        LossParameter.FULL: outer * inner,
        LossParameter.VALID: valid,
        LossParameter.BATCH_SIZE: outer,
        LossParameter.NONE: 1,
    }
    return float(max(by_mode[mode], 1))
