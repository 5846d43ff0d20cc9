"""BatchNorm layers of Intel's Caffe whose scale is in the Scale layer behind them.

Source: intel/caffe, src/caffe/net.cpp (rule one) and util/remove_batch_norm.cpp: with its engines such a Scale is
merged into the BatchNorm when the net is built, and taken out again when weights are written: files have 3 blobs and 2.
"""

from collections.abc import Iterator

from caffelite.core.prototxt.field_path import Upgraded
from caffelite.core.prototxt.lines import Lines
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter

STATISTICS = 3  # blobs of a BatchNorm without a scale
OTHERS = ("use_weight_bias", "scale_bias", "scale_filler")  # they say what is meant


def _before_scales(param: NetParameter) -> Iterator[int]:
    for index, layer in enumerate(param.layer):
        given = layer.batch_norm_param
        if layer.type != "BatchNorm" or not given.HasField("filler") or any(map(given.HasField, OTHERS)):
            continue
        if len(layer.blobs) <= STATISTICS and _is_scale(_first_reader(param, index)):
            yield index


def _first_reader(param: NetParameter, index: int) -> LayerParameter | None:
    tops = set(param.layer[index].top)
    return next((layer for layer in param.layer[index + 1 :] if tops.intersection(layer.bottom)), None)


def _is_scale(layer: LayerParameter | None) -> bool:
    return layer is not None and layer.type == "Scale" and len(layer.bottom) == 1


def needs_merged_scale_upgrade(param: NetParameter) -> bool:
    """Return whether a BatchNorm with Intel's filler is read by a Scale."""
    return any(True for _ in _before_scales(param))


def upgrade_merged_scale(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with such layers as BVLC's: use_weight_bias is false, and their fillers are gone."""
    upgraded = NetParameter()
    upgraded.CopyFrom(param)
    for index in _before_scales(param):
        given = upgraded.layer[index].batch_norm_param
        given.use_weight_bias = False
        for name in ("filler", "bias_filler", "bias_term"):
            given.ClearField(name)
    return Upgraded(upgraded, lines)
