"""Names of files and folders until they are complete, and what killed programs left under such names.

Whoever makes one holds a lock on it (flock), which the system ends with the process: what nobody locks is a leftover.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

NAME = re.compile(r"\.(?P<name>.*)\.[0-9a-f]{8}\.tmp", re.DOTALL)
_LONGEST = 200  # bytes of the name that are kept; file systems take 255


def temporary_beside(target: Path) -> Path:
    """Return a name that nobody can foresee, in the same folder: what is complete is then moved there by renaming."""
    start = os.fsdecode(os.fsencode(target.name)[:_LONGEST])
    return target.with_name(f".{start}.{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[tuple[Path, int]]:
    """Make a locked file beside `target` to read and write; give its path and its descriptor, which the caller closes.

    The file is removed when the block ends, if it still has this name. Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _locked(target, lambda path: os.open(path, flags, 0o666), _remove_file) as made:
        yield made


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Make a locked folder beside `target`, and those above it; it is removed when the block ends, unless renamed.

    Raises OSError.
    """
    with _locked(target, _make_folder, _remove_folder) as (path, descriptor):
        try:
            yield path
        finally:
            _remove_folder(path)  # while it is locked
            os.close(descriptor)


def _make_folder(path: Path) -> int:
    while True:
        path.mkdir(parents=True)
        with contextlib.suppress(FileNotFoundError):  # taken for a leftover before it could be locked
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _remove_file(path: Path) -> None:
    with contextlib.suppress(OSError):  # moved by now, or the file system became read-only
        path.unlink()


def _remove_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(folder: Path, ours: Callable[[str], bool]) -> None:
    """Remove what killed programs left in `folder` of files and folders whose name `ours` accepts.

    What cannot be removed stays: it costs room and nothing else.
    """
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        match = NAME.fullmatch(path.name)
        if match and ours(match["name"]):
            with contextlib.suppress(OSError), _abandoned(path):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


@contextlib.contextmanager
def _locked(target: Path, make: Callable[[Path], int], remove: Callable[[Path], None]) -> Iterator[tuple[Path, int]]:
    """Make something beside `target` and lock it, again if `remove_leftovers` of another program was faster.

    `make` opens it; `remove` is called in the end, also if an interrupt comes before the block has begun.
    """
    while True:
        path = temporary_beside(target)
        is_ours = True
        try:
            try:
                descriptor = make(path)
            except FileExistsError:
                is_ours = False
                raise
            with contextlib.suppress(OSError):  # file systems without locks: there, leftovers stay
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_there(path, descriptor):
                yield path, descriptor
                return
            os.close(descriptor)
        finally:
            if is_ours:
                remove(path)


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether what is open is still at this path."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _abandoned(path: Path) -> Iterator[None]:
    """Hold the lock of what has lost its maker; OSError if the maker lives, or the file system has no locks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
