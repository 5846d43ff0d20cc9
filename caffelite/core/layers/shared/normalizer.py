"""By what a loss divides its sum: loss_param. Source: src/caffe/layers/softmax_loss_layer.cpp, get_normalizer."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.proto import caffe_pb2

LossParameter = caffe_pb2.LossParameter
# What the losses but SoftmaxWithLoss do not read.
SOFTMAX_LOSS_ALONE = {
    f"loss_param.{name}": "SoftmaxWithLoss alone reads it"
    for name in ("label_smoothing", "weight_by_label_freqs", "class_weighting")
}


def normalization_mode(param: LossParameter, default: int) -> int:
    """Return the mode of loss_param: `normalization`, or what the old field `normalize` means, or the default.

    Raises LayerError for a pre_fixed_normalizer that nothing can be divided by.
    """
    if param.normalization == LossParameter.PRE_FIXED and not param.pre_fixed_normalizer > 0:
        raise LayerError(
            "loss_param.pre_fixed_normalizer",
            f"{param.pre_fixed_normalizer:g}",
            "the loss is divided by it; use more than 0",
        )
    if param.HasField("normalization") or not param.HasField("normalize"):
        return param.normalization if param.HasField("normalization") else default
    return LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE


def normalizer(mode: int, outer: int, inner: int, valid: int, fixed: float = 1.0) -> float:
    """Return the divisor, at least 1, for outer x inner positions, `valid` of them not ignored.

    With PRE_FIXED (R-FCN's) it is `fixed`, whatever that is.
    """
    if mode == LossParameter.PRE_FIXED:
        return fixed
    by_mode: dict[int, int] = {
        LossParameter.FULL: outer * inner,
        LossParameter.VALID: valid,
        LossParameter.BATCH_SIZE: outer,
        LossParameter.NONE: 1,
    }
    return float(max(by_mode[mode], 1))
