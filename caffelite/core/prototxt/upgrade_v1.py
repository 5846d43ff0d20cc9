"""Nets of 2014, `layers { type: CONVOLUTION ... }`, to `layer { type: "Convolution" ... }`.

Source: src/caffe/util/upgrade_proto.cpp, UpgradeNetDataTransformation and UpgradeV1Net.
"""

from typing import Any

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.field_path import Moves, Upgraded, prefixed, put
from caffelite.core.prototxt.lines import Lines
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter, V1LayerParameter

TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
    # layers that Caffe got later, which forks of 2014 had
    "BATCH_NORM": "BatchNorm",
    "BATCH_REINDEX": "BatchReindex",
    "BIAS": "Bias",
    "CLIP": "Clip",
    "ELU": "ELU",
    "EMBED": "Embed",
    "FILTER": "Filter",
    "INPUT": "Input",
    "LOG": "Log",
    "LSTM": "LSTM",
    "LSTM_UNIT": "LSTMUnit",
    "PARAMETER": "Parameter",
    "PRELU": "PReLU",
    "PYTHON": "Python",
    "REDUCTION": "Reduction",
    "RESHAPE": "Reshape",
    "RNN": "RNN",
    "SCALE": "Scale",
    "SPP": "SPP",
    "SWISH": "Swish",
    "TILE": "Tile",
    # layers that only forks have
    "AXPY": "Axpy",
    "BN": "BN",
    "BRELU": "BReLU",
    "CONTINUATION_INDICATOR": "ContinuationIndicator",
    "CONVOLUTION_DEPTHWISE": "ConvolutionDepthwise",
    "DEPTHWISE_CONVOLUTION": "DepthwiseConvolution",
    "DETECTION_OUTPUT": "DetectionOutput",
    "DOWNSAMPLE": "Downsample",
    "FLIP": "Flip",
    "INTERP": "Interp",
    "NORMALIZE": "Normalize",
    "PERMUTE": "Permute",
    "PRIOR_BOX": "PriorBox",
    "PROPOSAL": "Proposal",
    "PSROI_POOLING": "PSROIPooling",
    "RELU6": "ReLU6",
    "REORG": "Reorg",
    "REVERSE": "Reverse",
    "ROI_ALIGN": "ROIAlign",
    "ROI_POOLING": "ROIPooling",
    "SELU": "SeLu",
    "SHUFFLE_CHANNEL": "ShuffleChannel",
    "SPATIAL_DROPOUT": "SpatialDropout",
    "TRANSPOSE": "Transpose",
    "UNPOOLING": "Unpooling",
    "UPSAMPLE": "Upsample",
    "YOLO_DETECTION_OUTPUT": "YoloDetectionOutput",
    "YOLOV3_DETECTION_OUTPUT": "Yolov3DetectionOutput",
}

# lists with one entry a parameter blob -> the field of `param` that takes the entry
PARAM_LISTS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}

_TRANSFORMED = {
    V1LayerParameter.DATA: "data_param",
    V1LayerParameter.IMAGE_DATA: "image_data_param",
    V1LayerParameter.WINDOW_DATA: "window_data_param",
}
_TRANSFORMATIONS = ("scale", "mean_file", "crop_size", "mirror")


def needs_transform_upgrade(param: NetParameter) -> bool:
    """Return whether a data layer of 2014 holds scale, mean_file, crop_size or mirror itself."""
    return any(_own_transformations(layer) for layer in param.layers)


def _own_transformations(layer: V1LayerParameter) -> list[str]:
    if layer.type not in _TRANSFORMED:
        return []
    own: Any = getattr(layer, _TRANSFORMED[layer.type])
    return [name for name in _TRANSFORMATIONS if own.HasField(name)]


def upgrade_transforms(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with these fields in transform_param, where each replaces what stood there."""
    upgraded = NetParameter()
    upgraded.CopyFrom(param)
    moves: Moves = {}
    for index, layer in enumerate(upgraded.layers):
        if layer.type not in _TRANSFORMED:
            continue
        message = _TRANSFORMED[layer.type]
        own: Any = getattr(layer, message)
        own.SetInParent()  # as Caffe does, whether there is anything to move or not
        layer.transform_param.SetInParent()
        for name in _own_transformations(layer):
            setattr(layer.transform_param, name, getattr(own, name))
            own.ClearField(name)
            moves[f"layers[{index}].{message}.{name}"] = f"layers[{index}].transform_param.{name}"
    return Upgraded(upgraded, lines.moved(moves))


def upgrade_v1(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with `layer` in place of `layers`; raises PrototxtError for a net that has both."""
    if param.layer:
        first = TYPES.get(V1LayerParameter.LayerType.Name(param.layers[0].type))
        raise PrototxtError(
            f"{lines.where('layers[0]')}Refusing to upgrade inconsistent NetParameter input; the definition includes "
            f"both 'layer' and 'layers' fields. Write layer here instead of layers"
            + (f', and type: "{first}"' if first else "")
        )
    upgraded = NetParameter()
    upgraded.CopyFrom(param)
    del upgraded.layers[:]
    moves: Moves = {}
    for index, old in enumerate(param.layers):
        moves[f"layers[{index}]"] = f"layer[{index}]"
        moves |= prefixed(_fill(upgraded.layer.add(), old), f"layers[{index}]", f"layer[{index}]")
    return Upgraded(upgraded, lines.moved(moves))


def _fill(layer: LayerParameter, old: V1LayerParameter) -> Moves:
    moves: Moves = {}
    for field, value in old.ListFields():
        if field.name in PARAM_LISTS:
            _fill_params(layer, PARAM_LISTS[field.name], value)
            moves |= {f"{field.name}[{i}]": f"param[{i}].{PARAM_LISTS[field.name]}" for i in range(len(value))}
        elif field.name == "type":
            layer.type = TYPES[V1LayerParameter.LayerType.Name(value)]
        else:
            put(layer, field.name, value)
    return moves


def _fill_params(layer: LayerParameter, field: str, values: Any) -> None:
    while len(layer.param) < len(values):
        layer.param.add()
    for spec, value in zip(layer.param, values, strict=False):  # another list may have been longer
        setattr(spec, field, value)
