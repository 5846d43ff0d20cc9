"""A solver's prototxt: read, upgraded, with the rules for snapshot_prefix. Source: src/caffe/util/upgrade_proto.cpp."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from caffelite.core.errors import SolverError
from caffelite.core.files import NoSuchFileError, find_file
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.parse import read_solver
from caffelite.core.prototxt.upgrade import upgrade_solver
from caffelite.proto.caffe_pb2 import SolverParameter

log = logging.getLogger("caffelite")


@dataclass
class SolverFile:
    """The parameters of a solver, and the file and lines they come from (None: from memory)."""

    param: SolverParameter
    lines: Lines | None = None
    path: Path | None = None

    def where(self, field: str) -> str:
        """Return `solver.prototxt:12: ` for a field, the file alone for one that is not given; "" from memory."""
        return "" if self.lines is None else self.lines.where(field)

    def refusal(self, field: str, value: object, fix: str) -> SolverError:
        """Return the error to raise for a field that cannot be used."""
        return SolverError(f"{self.where(field)}{field} is {value}; {fix}")

    def find(self, field: str, name: str) -> Path:
        """Return the file that `field` names: as written (Caffe's rule), else beside or above the file; SolverError."""
        try:
            return find_file(name, None if self.path is None else self.path.parent)
        except NoSuchFileError as err:
            raise SolverError(f'{self.where(field)}{field} is "{name}"; {err}') from None

    @property
    def weights(self) -> list[str]:
        """The caffemodels to begin from, as they are named: one or, with commas, several in each field."""
        return [name.strip() for entry in self.param.weights for name in entry.split(",") if name.strip()]


def read_solver_file(path: str | bytes | os.PathLike[str]) -> SolverFile:
    """Read a solver's prototxt, old `solver_type` replaced by `type`; PrototxtError lists all mistakes."""
    place = Path(os.fsdecode(path))
    return as_read(*read_solver(place), place)


def as_read(param: SolverParameter, lines: Lines, path: Path) -> SolverFile:
    """Return a solver whose fields were read from a file, upgraded and with a snapshot_prefix."""
    param, lines, notes = upgrade_solver(param, lines)
    log_notes(notes)
    file = SolverFile(param, lines, path)
    _set_snapshot_prefix(file)
    return file


def solver_file(source: str | bytes | os.PathLike[str] | SolverParameter | SolverFile) -> SolverFile:
    """Return what a solver is made from: a file is read, a message is copied so that the caller's stays as it is."""
    if isinstance(source, SolverFile):
        return source
    if isinstance(source, SolverParameter):
        param = SolverParameter()
        param.CopyFrom(source)
        upgraded, _, notes = upgrade_solver(param, Lines("solver", {}))
        log_notes(notes)
        return SolverFile(upgraded)
    return read_solver_file(source)


def _set_snapshot_prefix(file: SolverFile) -> None:
    """Snapshots of a solver file without snapshot_prefix, or with a folder there, are named after the file.

    What ends in a slash is a folder, whether it exists yet or not: the second run has to find what the first wrote.
    """
    assert file.path is not None
    param = file.param
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = str(file.path.with_suffix(""))
        log.info("snapshot_prefix was not specified and is set to %s", param.snapshot_prefix)
    elif param.snapshot_prefix.endswith("/") or os.path.isdir(param.snapshot_prefix):
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, file.path.stem)
        log.info("snapshot_prefix was a directory and is replaced to %s", param.snapshot_prefix)
