"""Net-level inputs to an Input layer, and the fixed multipliers of old BatchNorm layers.

Source: src/caffe/util/upgrade_proto.cpp, UpgradeNetInput and UpgradeNetBatchNorm.
"""

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.field_path import Moves, Upgraded
from caffelite.core.prototxt.lines import Lines
from caffelite.proto.caffe_pb2 import BlobShape, NetParameter

DIMS = 4  # of an input in the list input_dim: num, channels, height, width


def upgrade_inputs(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with a first layer `input` for the fields input, input_shape (which goes first) and input_dim.

    With neither shapes nor dims, as in old weight files, no layer comes. Raises PrototxtError if there are too few.
    """
    upgraded = NetParameter()
    upgraded.CopyFrom(param)
    for name in ("input", "input_shape", "input_dim"):
        upgraded.ClearField(name)
    if not param.input_shape and not param.input_dim:
        return Upgraded(upgraded, lines.moved({"input": None}))
    del upgraded.layer[:]
    layer = upgraded.layer.add(name="input", type="Input", top=param.input)
    layer.input_param.shape.extend(_shapes(param, lines))
    upgraded.layer.extend(param.layer)
    moves: Moves = {f"layer[{i}]": f"layer[{i + 1}]" for i in range(len(param.layer))}
    moves |= {"input": "layer[0].top", "input_shape": "layer[0].input_param.shape"}
    if not param.input_shape:
        moves |= {f"input_dim[{i}]": _dim_path(i) for i in range(len(param.input_dim))}
    moved = lines.moved(moves)
    first = lines.line("input[0]")
    if first is not None:
        moved.table["layer[0]"] = first
    return Upgraded(upgraded, moved)


def _dim_path(index: int) -> str:
    return f"layer[0].input_param.shape[{index // DIMS}].dim[{index % DIMS}]"


def _shapes(param: NetParameter, lines: Lines) -> list[BlobShape]:
    count = len(param.input)
    if param.input_shape:
        if len(param.input_shape) < count:
            raise PrototxtError(
                f"{lines.where('input_shape')}{count} input fields but {len(param.input_shape)} input_shape; "
                "write one input_shape for each input"
            )
        return list(param.input_shape[:count])
    if len(param.input_dim) < DIMS * count:
        raise PrototxtError(
            f"{lines.where('input_dim')}{count} input fields but {len(param.input_dim)} input_dim; "
            f"write {DIMS} for each input (num, channels, height, width)"
        )
    return [BlobShape(dim=param.input_dim[DIMS * i : DIMS * (i + 1)]) for i in range(count)]


def needs_batch_norm_upgrade(param: NetParameter) -> bool:
    """Return whether a BatchNorm layer has three param entries, which must not learn."""
    return any(layer.type == "BatchNorm" and len(layer.param) == 3 for layer in param.layer)


def upgrade_batch_norm(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with lr_mult and decay_mult 0 in such entries."""
    upgraded = NetParameter()
    upgraded.CopyFrom(param)
    for layer in upgraded.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    return Upgraded(upgraded, lines)
