"""Is an HDF5 file safe to open? Another process goes through it first: libhdf5 does not survive all damage.

Measured with 70,000 damaged files: libhdf5 1.12 crashed on 1 of 3,000; from 1.14.2 on none crashed, but 1 of 10,000
took all memory there was. The check takes 0.2 s, once for each file and process; files written here need none.

Files of any size, of which rows are read, are looked at without their values: `structure_problems`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from caffelite.core.errors import WeightsError

PROGRAM = Path(__file__).with_name("hdf5_walk.py")
START_SECONDS = 60  # for Python and h5py to be loaded from a slow disk
AT_ONCE = 256  # files of one process: a command line has an end

Stamp = tuple[str, int, int, int]  # path, inode, size, time of the last change

_known: dict[Stamp, str] = {}  # what `problems` found
_known_structure: dict[tuple[Stamp, tuple[str, ...]], str] = {}  # what `structure_problems` found, by stamp and names


def require_safe(path: str | os.PathLike[str]) -> None:
    """Raise WeightsError if going through the file fails, takes too much memory, too long, or crashes."""
    stamp = _stamp(path)
    problem = _known[stamp] if stamp in _known else problems([path])[0]
    if problem:
        raise WeightsError(f"{path}: this HDF5 file is damaged or was not copied completely ({problem})")


def trust(path: str | os.PathLike[str]) -> None:
    """Take note that the file, as it is now, needs no check."""
    _known[_stamp(path)] = ""


def problems(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return what is wrong with each of the files, "" for those that are safe to open."""
    stamps = [_stamp(path) for path in paths]  # taken before the check: what changes meanwhile is not known
    found = _answers(paths, [])
    _known.update(zip(stamps, found, strict=True))
    return found


def structure_problems(paths: Sequence[str | os.PathLike[str]], names: Sequence[str]) -> list[str]:
    """Return what is wrong with each of the files, "" for nothing, as far as the datasets `names` of its root go.

    Their values are not looked at, so that it takes no longer for a large file.
    """
    keys = [(_stamp(path), tuple(names)) for path in paths]
    unknown = {
        key: path
        for key, path in zip(keys, paths, strict=True)
        if key not in _known_structure and _known.get(key[0]) != ""
    }
    answers = _answers(list(unknown.values()), [f"--only={json.dumps(list(names))}"])
    _known_structure.update(zip(unknown, answers, strict=True))
    return [_known_structure.get(key, "") for key in keys]


def _answers(paths: Sequence[str | os.PathLike[str]], options: list[str]) -> list[str]:
    """Return what the program finds wrong with each of the files, "" for nothing."""
    if "python" not in os.path.basename(sys.executable or ""):
        return [""] * len(paths)  # inside another program: there is no interpreter to start
    found: list[str] = []
    while len(found) < len(paths):
        answers = _walk([os.path.abspath(path) for path in paths[len(found) : len(found) + AT_ONCE]], options)
        found += ["" if answer == "ok" else answer for answer in answers]
    return found


def _walk(paths: list[str], arguments: list[str]) -> list[str]:
    """Return answers for the first of the files: up to and with the one that ended the process, if one did."""
    options = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # threads reserve address space
    command = [sys.executable, os.fspath(PROGRAM), *arguments, *paths]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS * len(paths),
            env=os.environ | options,
        )
    except subprocess.TimeoutExpired:
        return ["reading it takes too long"]
    except OSError as err:
        raise WeightsError(f"HDF5 files are checked by another process, which cannot be started: {err}") from err
    answers = done.stdout.splitlines()
    if len(answers) == len(paths):
        return answers
    if done.returncode >= 0:  # not killed, so not the file's fault
        raise WeightsError(f"the check of HDF5 files failed: {done.stderr.strip()[-300:]}")
    return [*answers, "libhdf5 cannot read it: it crashed, or took too long"]


def _stamp(path: str | os.PathLike[str]) -> Stamp:
    try:
        status = os.stat(path)
    except OSError as err:
        raise WeightsError(f"{path}: cannot be read ({err.strerror})") from None
    return os.path.realpath(path), status.st_ino, status.st_size, status.st_mtime_ns
