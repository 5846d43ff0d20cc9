"""Nets of 2013, `layers { layer { type: "conv" ... } bottom: ... }`, to the form of 2014.

Source: src/caffe/util/upgrade_proto.cpp, UpgradeV0PaddingLayers and UpgradeV0Net.
"""

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.field_path import Moves, Upgraded, prefixed, put
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto.caffe_pb2 import NetParameter, V0LayerParameter, V1LayerParameter

TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_WEIGHTED = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_WINDOWED = {"conv": "convolution_param", "pool": "pooling_param"}
_BATCHED = {
    "data": "data_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "window_data": "window_data_param",
}
_ANY = dict.fromkeys([*TYPES, ""])  # fields that every type takes: no message of the type's own
_ANY_TRANSFORM = dict.fromkeys(_ANY, "transform_param")
_IMAGES = {"images": "image_data_param"}
_WINDOWS = {"window_data": "window_data_param"}
_LRN = {"lrn": "lrn_param"}

# field -> (the message it goes to, by type; its name there), in the order in which Caffe reports what it cannot place
FIELDS: dict[str, tuple[dict[str, str] | dict[str, None], str]] = {
    "name": (_ANY, "name"),
    "blobs": (_ANY, "blobs"),
    "blobs_lr": (_ANY, "blobs_lr"),
    "weight_decay": (_ANY, "weight_decay"),
    "num_output": (_WEIGHTED, "num_output"),
    "biasterm": (_WEIGHTED, "bias_term"),
    "weight_filler": (_WEIGHTED, "weight_filler"),
    "bias_filler": (_WEIGHTED, "bias_filler"),
    "pad": (_WINDOWED, "pad"),
    "kernelsize": (_WINDOWED, "kernel_size"),
    "group": ({"conv": "convolution_param"}, "group"),
    "stride": (_WINDOWED, "stride"),
    "pool": ({"pool": "pooling_param"}, "pool"),
    "dropout_ratio": ({"dropout": "dropout_param"}, "dropout_ratio"),
    "local_size": (_LRN, "local_size"),
    "alpha": (_LRN, "alpha"),
    "beta": (_LRN, "beta"),
    "k": (_LRN, "k"),
    "source": ({**_BATCHED, "infogain_loss": "infogain_loss_param"}, "source"),
    "scale": (_ANY_TRANSFORM, "scale"),
    "meanfile": (_ANY_TRANSFORM, "mean_file"),
    "batchsize": (_BATCHED, "batch_size"),
    "cropsize": (_ANY_TRANSFORM, "crop_size"),
    "mirror": (_ANY_TRANSFORM, "mirror"),
    "rand_skip": ({"data": "data_param", **_IMAGES}, "rand_skip"),
    "shuffle_images": (_IMAGES, "shuffle"),
    "new_height": (_IMAGES, "new_height"),
    "new_width": (_IMAGES, "new_width"),
    "concat_dim": ({"concat": "concat_param"}, "concat_dim"),
    "det_fg_threshold": (_WINDOWS, "fg_threshold"),
    "det_bg_threshold": (_WINDOWS, "bg_threshold"),
    "det_fg_fraction": (_WINDOWS, "fg_fraction"),
    "det_context_pad": (_WINDOWS, "context_pad"),
    "det_crop_mode": (_WINDOWS, "crop_mode"),
    "hdf5_output_param": ({"hdf5_output": ""}, "hdf5_output_param"),
}


def needs_v0_upgrade(param: NetParameter) -> bool:
    """Return whether any layer is written in the form of 2013."""
    return any(layer.HasField("layer") for layer in param.layers)


def upgrade_v0(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with `layers` of 2014.

    Kept are name, layers, input, input_dim and force_backward, and of what stands beside a nested `layer` only bottom
    and top, as in Caffe. Fields that the type has no place for are lost and reported. Raises PrototxtError for unknown
    types, for layers in the form of 2014, and for padding layers in front of anything but one convolution or pooling
    layer.
    """
    param, lines = fold_padding(param, lines)
    upgraded = NetParameter(input=param.input, input_dim=param.input_dim)
    for name in ("name", "force_backward"):
        if param.HasField(name):
            setattr(upgraded, name, getattr(param, name))
    moves: Moves = {}
    problems: list[str] = []
    for index, old in enumerate(param.layers):
        path = f"layers[{index}]"
        layer = upgraded.layers.add(bottom=old.bottom, top=old.top)
        if not old.HasField("layer"):
            _refuse_other_form(old, lines.where(path))
            continue
        moves |= prefixed(_fill(layer, old.layer, lines.where(f"{path}.layer.type"), problems), f"{path}.layer", path)
        moves[f"{path}.layer"] = None
    return Upgraded(upgraded, lines.moved(moves), tuple(problems))


def _refuse_other_form(old: V1LayerParameter, where: str) -> None:
    """Raise PrototxtError for a layer in the form of 2014 among those of 2013, of which nothing would be kept."""
    if old.HasField("type"):
        word = V1LayerParameter.LayerType.Name(old.type)
        raise PrototxtError(
            f'{where}layer "{old.name}" (layers {{ type: {word} }}) is in the form of 2014, others are in that of 2013 '
            "(layers { layer { ... } }); write all in one form"
        )


def _fill(layer: V1LayerParameter, old: V0LayerParameter, where: str, problems: list[str]) -> Moves:
    """Fill `layer` from the nested message; append to `problems` the fields that its type has no place for."""
    if old.HasField("type"):
        if old.type not in TYPES:
            hint = did_you_mean(old.type, TYPES) or f" (known types: {', '.join(sorted(TYPES))})"
            raise PrototxtError(f'{where}layer "{old.name}": Unknown layer name: {old.type}{hint}')
        put(layer, "type", V1LayerParameter.LayerType.Value(TYPES[old.type]))
    moves: Moves = {"type": "type"}
    set_fields = {field.name: value for field, value in old.ListFields()}
    for name, (messages, target) in FIELDS.items():
        if name not in set_fields:
            continue
        if old.type not in messages:
            problems.append(f"Unknown parameter {name} for layer type {old.type}")
            continue
        message = messages[old.type]
        moves[name] = put(layer, f"{message}.{target}" if message else target, set_fields[name])
    return moves


def fold_padding(param: NetParameter, lines: Lines) -> tuple[NetParameter, Lines]:
    """Return the net without layers of type padding, their pad being written into the layers that read them."""
    folded = NetParameter()
    folded.CopyFrom(param)
    del folded.layers[:]
    makers: dict[str, V1LayerParameter | None] = dict.fromkeys(param.input)
    moves: Moves = {}
    for index, layer in enumerate(param.layers):
        where = lines.where(f"layers[{index}]")
        if layer.layer.type == "padding":
            moves[f"layers[{index}]"] = None
        else:
            moves[f"layers[{index}]"] = f"layers[{len(folded.layers)}]"
            folded.layers.append(layer)
        for bottom_id, blob in enumerate(layer.bottom):
            if blob not in makers:
                raise PrototxtError(
                    f"{where}Unknown blob input {blob} to layer {layer.layer.name}{did_you_mean(blob, makers)}"
                )
            maker = makers[blob]
            if maker is not None and maker.layer.type == "padding":
                _check_padding(maker, layer, where)
                folded.layers[-1].layer.pad = maker.layer.pad
                folded.layers[-1].bottom[bottom_id] = maker.bottom[0]
        makers.update(dict.fromkeys(layer.top, layer))
    return folded, lines.moved(moves)


def _check_padding(padding: V1LayerParameter, reader: V1LayerParameter, where: str) -> None:
    if reader.layer.type not in ("conv", "pool"):
        kind = reader.layer.type
        raise PrototxtError(
            f'{where}padding layer "{padding.layer.name}" is read by "{reader.layer.name}" of type {kind}; '
            "only conv and pool can take its pad"
        )
    if (len(reader.bottom), len(padding.bottom), len(padding.top)) != (1, 1, 1):
        raise PrototxtError(
            f'{where}padding layer "{padding.layer.name}" and its reader "{reader.layer.name}" need one bottom each, '
            "and the padding layer one top"
        )
