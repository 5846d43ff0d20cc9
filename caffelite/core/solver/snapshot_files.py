"""The files of snapshots: their names, which there are, and which are not needed any more."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from caffelite.core import container, temporaries
from caffelite.core.arena import Arena
from caffelite.core.errors import SolverError, WeightsError
from caffelite.core.events import Event, SnapshotWritten
from caffelite.core.solver.file import SolverFile
from caffelite.core.weights.atomic import check_writable
from caffelite.core.weights.formats import SUFFIXES, Format

log = logging.getLogger("caffelite")


class Snapshot(NamedTuple):
    """The two files of a snapshot."""

    model_file: str
    state_file: str

    @classmethod
    def named(cls, prefix: str, iteration: int, chosen: Format) -> Snapshot:
        """Return the names that Caffe gives them."""
        base = base_name(prefix, iteration)
        return cls(f"{base}.caffemodel{chosen.suffix}", f"{base}.solverstate{chosen.suffix}")

    @classmethod
    def best(cls, prefix: str, chosen: Format) -> Snapshot:
        """Return the names of the files that keep the best; `snapshots` does not find them."""
        return cls(f"{prefix}_best.caffemodel{chosen.suffix}", f"{prefix}_best.solverstate{chosen.suffix}")

    @classmethod
    def of_state(cls, state_file: str | os.PathLike[str]) -> Snapshot:
        """Return the names from that of the solverstate."""
        base, _, suffix = os.fspath(state_file).rpartition(".solverstate")
        return cls(f"{base}.caffemodel{suffix}", os.fspath(state_file))


def base_name(prefix: str, iteration: int) -> str:
    """Return what the names of a snapshot begin with."""
    return f"{prefix}_iter_{iteration}"


def check_folder(file: SolverFile) -> None:
    """Raise SolverError, with the line of snapshot_prefix, if snapshots cannot be written; makes a missing folder.

    Also removes what killed runs left unfinished.
    """
    prefix = file.param.snapshot_prefix
    try:
        check_writable(base_name(prefix, 0))
    except WeightsError as err:
        raise SolverError(f"{file.where('snapshot_prefix')}{err}") from err
    remove_leftovers(prefix)


def check_space(file: SolverFile, arena: Arena, histories: int) -> None:
    """Raise SolverError, with the figures, if the disk has no room for one snapshot."""
    prefix = file.param.snapshot_prefix
    folder = os.path.dirname(base_name(prefix, 0)) or "."
    needed = arena.data.nbytes * (1 + histories + file.param.snapshot_diff)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SolverError(
            f"{file.where('snapshot_prefix')}Cannot write to snapshot prefix '{prefix}'.  A snapshot "
            f"takes {container.human(needed)} and {container.human(free)} are free in {os.path.abspath(folder)}; "
            "make room there, or choose another folder"
        )


def snapshots(prefix: str) -> list[Snapshot]:
    """Return the snapshots with this prefix, that of the highest iteration first; no file is opened.

    The files' times do not count, since copies and clocks change them; but of two for one iteration, in two formats,
    the one written last comes first.
    """
    folder, start = os.path.split(f"{prefix}_iter_")
    suffixes = "|".join(map(re.escape, SUFFIXES))
    name = re.compile(rf"{re.escape(start)}(\d+)\.solverstate({suffixes})")
    found: list[tuple[int, float, str]] = []
    for path in _files(folder):
        match = name.fullmatch(path.name)
        if match:
            with contextlib.suppress(FileNotFoundError):  # a running process may remove old ones meanwhile
                found.append((int(match[1]), path.stat().st_mtime, os.path.join(folder, path.name)))
    return [Snapshot.of_state(state_file) for _, _, state_file in sorted(found, reverse=True)]


def remove_leftovers(prefix: str) -> None:
    """Remove unfinished files of snapshots with this prefix whose writers were killed."""
    folder, name = os.path.split(prefix)
    starts = (f"{name}_iter_", f"{name}_best.")
    temporaries.remove_leftovers(Path(folder or "."), lambda name: name.startswith(starts))


def _files(folder: str) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:
        return []


class SnapshotKeeper:
    """A listener that, when a snapshot is complete, removes all of its prefix but the newest `count`.

    The newest is the one just written; those of higher iterations are of a run before this one, and the oldest.
    """

    def __init__(self, prefix: str, count: int) -> None:
        self._prefix, self._count = prefix, count
        self._kept: set[Snapshot] = set()  # those that cannot be removed, each told once

    def __call__(self, event: Event) -> None:
        """Remove old snapshots after a new one. What cannot be removed costs a warning, not the training."""
        if not isinstance(event, SnapshotWritten):
            return
        found = snapshots(self._prefix)
        name = os.path.basename(event.state_file)
        newest = next((i for i, one in enumerate(found) if os.path.basename(one.state_file) == name), 0)
        for old in [*found[newest:], *found[:newest]][self._count :]:
            if old not in self._kept:
                self._remove(old)

    def _remove(self, snapshot: Snapshot) -> None:
        """Remove the state first: a state without its weights would look like a snapshot."""
        file = snapshot.state_file
        try:
            for file in (snapshot.state_file, snapshot.model_file):
                Path(file).unlink(missing_ok=True)
        except OSError as err:
            self._kept.add(snapshot)
            log.warning("--keep_snapshots: %s cannot be removed (%s); it is kept", file, err.strerror or err)
