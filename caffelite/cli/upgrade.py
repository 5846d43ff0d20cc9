"""`caffelite upgrade`: write old nets, solvers and weights in today's form.

Source: tools/upgrade_net_proto_text.cpp, upgrade_net_proto_binary.cpp, upgrade_solver_proto_text.cpp.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli.command import Arguments, command
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, LAYERS
from caffelite.core.errors import CaffeliteError, UsageError
from caffelite.core.files import file_problem
from caffelite.core.prototxt.suggest import any_of, did_you_mean

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from caffelite.core.prototxt.field_path import Note

LOGGER = logging.getLogger("caffelite")
LOST, UNREADABLE = 1, 2  # exit statuses

Write = Callable[[Path], None]


@command(
    "upgrade",
    "write an old net, solver or caffemodel in today's form",
    flags=(
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
    ),
    positionals="KIND IN OUT",
    first_words=lambda: KINDS,
)
def upgrade(arguments: Arguments) -> int:
    """Read IN, a file of KIND net, solver or weights, and write it to OUT in today's form.

    Comments of a prototxt are not kept. OUT may be IN.
    Exit status: 0, also if IN was in today's form; 1 if something found no place in the new form (OUT is written) or
    for a mistake in the command; 2 if IN cannot be read. For example:

      caffelite upgrade net old_train_val.prototxt train_val.prototxt
    """
    kind, source, target = arguments.positionals
    if kind not in KINDS:
        raise UsageError(f"upgrade {kind}: KIND is {any_of(KINDS)}{did_you_mean(kind, KINDS)}")
    return _upgraded(kind, source, target)


@command(
    "upgrade_net_proto_text",
    "the same as upgrade net, by Caffe's name",
    flags=(
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
    ),
    positionals="IN OUT",
)
def upgrade_net_proto_text(arguments: Arguments) -> int:
    """Read the net IN and write it to OUT in today's form, as `caffelite upgrade net` does.

    For example:

      caffelite upgrade_net_proto_text old_train_val.prototxt train_val.prototxt
    """
    return _upgraded("net", *arguments.positionals)


@command("upgrade_net_proto_binary", "the same as upgrade weights, by Caffe's name", flags=(), positionals="IN OUT")
def upgrade_net_proto_binary(arguments: Arguments) -> int:
    """Read the weights IN and write them to OUT in today's form, as `caffelite upgrade weights` does.

    For example:

      caffelite upgrade_net_proto_binary old.caffemodel new.caffemodel
    """
    return _upgraded("weights", *arguments.positionals)


@command(
    "upgrade_solver_proto_text",
    "the same as upgrade solver, by Caffe's name",
    flags=(
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
    ),
    positionals="IN OUT",
)
def upgrade_solver_proto_text(arguments: Arguments) -> int:
    """Read the solver IN and write it to OUT in today's form, as `caffelite upgrade solver` does.

    For example:

      caffelite upgrade_solver_proto_text old_solver.prototxt solver.prototxt
    """
    return _upgraded("solver", *arguments.positionals)


def _upgraded(kind: str, source: str, target: str) -> int:
    """Write the file `source` of this kind in today's form to `target`; return the exit status."""
    if problem := file_problem(source):
        LOGGER.critical("%s", problem)
        return UNREADABLE
    read, what = KINDS[kind]
    try:
        notes, write = read(Path(source))
    except CaffeliteError as err:
        LOGGER.critical("%s", err)
        return UNREADABLE
    lost = _log(notes, source)
    write(Path(target))
    LOGGER.info("Wrote upgraded %s to %s", what, target)
    return LOST if lost else 0


def _log(notes: list[Note], source: str) -> bool:
    """Log what was done; return whether something was lost."""
    from caffelite.core.prototxt.notes import log_notes

    if not notes:
        LOGGER.error("File already in latest proto format: %s", source)
    log_notes(notes)
    lost = any(note.severity == "ERROR" for note in notes)
    if lost:
        LOGGER.error("Encountered error(s) while upgrading prototxt; see details above.")
    return lost


def _net(path: Path) -> tuple[list[Note], Write]:
    from caffelite.core.prototxt.upgrade import load_net

    net, _, notes = load_net(path)
    return notes, _text_writer(net)


def _solver(path: Path) -> tuple[list[Note], Write]:
    from caffelite.core.prototxt.parse import read_solver
    from caffelite.core.prototxt.upgrade import upgrade_solver

    solver, _, notes = upgrade_solver(*read_solver(path))
    return notes, _text_writer(solver)


def _weights(path: Path) -> tuple[list[Note], Write]:
    from caffelite.core.weights.upgrade import OldWeights

    weights = OldWeights(path)
    return weights.notes, weights.write


def _text_writer(message: Message) -> Write:
    """Return what writes the message as text, fields in the order of their numbers."""
    from google.protobuf import text_format

    from caffelite.core.prototxt.own_fields import unfolded
    from caffelite.core.weights.atomic import replacing

    def write(path: Path) -> None:
        with replacing(path) as file:
            file.write(unfolded(text_format.MessageToString(message, as_utf8=True)).encode())

    return write


KINDS: dict[str, tuple[Callable[[Path], tuple[list[Note], Write]], str]] = {
    "net": (_net, "NetParameter text proto"),
    "solver": (_solver, "SolverParameter text proto"),
    "weights": (_weights, "NetParameter binary proto"),
}
