"""Old nets and solvers to today's form, in Caffe's steps and two for forks; the line of each field is kept.

Source: src/caffe/util/upgrade_proto.cpp, UpgradeNetAsNeeded and UpgradeSolverAsNeeded.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.field_path import Note, Upgraded
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.parse import read_net
from caffelite.core.prototxt.upgrade_holes import needs_holes_upgrade, upgrade_holes
from caffelite.core.prototxt.upgrade_inputs import needs_batch_norm_upgrade, upgrade_batch_norm, upgrade_inputs
from caffelite.core.prototxt.upgrade_merged_scale import needs_merged_scale_upgrade, upgrade_merged_scale
from caffelite.core.prototxt.upgrade_v0 import needs_v0_upgrade, upgrade_v0
from caffelite.core.prototxt.upgrade_v1 import needs_transform_upgrade, upgrade_transforms, upgrade_v1
from caffelite.proto.caffe_pb2 import NetParameter, SolverParameter

SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


class Step(NamedTuple):
    """One upgrade: when it is due, what it does, and Caffe's words before it, after it, and after it failed in part."""

    due: Callable[[NetParameter], bool]
    upgrade: Callable[[NetParameter, Lines], Upgraded]
    before: str
    after: str
    in_part: str = ""


STEPS = (
    Step(
        needs_v0_upgrade,
        upgrade_v0,
        "Attempting to upgrade input file specified using deprecated V0LayerParameter",
        "Successfully upgraded file specified using deprecated V0LayerParameter",
        "Warning: had one or more problems upgrading V0NetParameter to NetParameter (see above); continuing anyway.",
    ),
    Step(
        needs_transform_upgrade,
        upgrade_transforms,
        "Attempting to upgrade input file specified using deprecated transformation parameters",
        "Successfully upgraded file specified using deprecated data transformation parameters.",
    ),
    Step(
        lambda param: bool(param.layers),
        upgrade_v1,
        "Attempting to upgrade input file specified using deprecated V1LayerParameter",
        "Successfully upgraded file specified using deprecated V1LayerParameter",
    ),
    Step(
        lambda param: bool(param.input),
        upgrade_inputs,
        "Attempting to upgrade input file specified using deprecated input fields",
        "Successfully upgraded file specified using deprecated input fields.",
    ),
    Step(
        needs_holes_upgrade,
        upgrade_holes,
        "Attempting to upgrade convolutions with holes, of DeepLab's Caffe",
        "Successfully upgraded convolutions with holes to dilation.",
    ),
    Step(
        needs_merged_scale_upgrade,
        upgrade_merged_scale,
        "Attempting to upgrade batch norm layers of Intel's Caffe, whose scale is a layer behind them",
        "Successfully upgraded batch norm layers of Intel's Caffe.",
    ),
    Step(
        needs_batch_norm_upgrade,
        upgrade_batch_norm,
        "Attempting to upgrade batch norm layers using deprecated params",
        "Successfully upgraded batch norm layers using deprecated params.",
    ),
)


def upgrade_net(param: NetParameter, lines: Lines) -> tuple[NetParameter, Lines, list[Note]]:
    """Return the net in today's form, the lines of its fields, and what to log.

    No notes: nothing was old. A note of severity ERROR: something found no place and is lost; WARNING: a field was left
    out.
    A net from a binary file comes with Lines(file, {}). Raises PrototxtError where Caffe aborts.
    """
    notes = [Note("WARNING", text) for text in lines.left_out]
    for step in STEPS:
        if not step.due(param):
            continue
        notes.append(Note("INFO", f"{step.before}: {lines.file}"))
        param, lines, problems = step.upgrade(param, lines)
        notes += [Note("ERROR", text) for text in problems]
        notes.append(Note("ERROR", step.in_part) if problems else Note("INFO", step.after))
    return param, lines, notes


def load_net(path: str | Path, known_types: Collection[str] = ()) -> tuple[NetParameter, Lines, list[Note]]:
    """Read a net's prototxt and upgrade it; see read_net and upgrade_net."""
    return upgrade_net(*read_net(path, known_types))


def upgrade_solver(param: SolverParameter, lines: Lines) -> tuple[SolverParameter, Lines, list[Note]]:
    """Return the solver with `type` in place of the old `solver_type`; raises PrototxtError if it has both."""
    left_out = [Note("WARNING", text) for text in lines.left_out]
    if not param.HasField("solver_type"):
        return param, lines, left_out
    if param.HasField("type"):
        raise PrototxtError(
            f"{lines.where('solver_type')}Failed to upgrade solver: old solver_type field (enum) and new type field "
            "(string) cannot be both specified in solver proto text. Remove solver_type"
        )
    upgraded = SolverParameter()
    upgraded.CopyFrom(param)
    upgraded.type = SOLVER_TYPES[SolverParameter.SolverType.Name(param.solver_type)]
    upgraded.ClearField("solver_type")
    notes = [
        *left_out,
        Note(
            "INFO",
            f"Attempting to upgrade input file specified using deprecated 'solver_type' field (enum)': {lines.file}",
        ),
        Note(
            "INFO",
            "Successfully upgraded file specified using deprecated 'solver_type' field (enum) "
            "to 'type' field (string).",
        ),
    ]
    return upgraded, lines.moved({"solver_type": "type"}), notes
