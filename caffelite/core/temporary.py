"""Files that are not complete yet: beside the file that they will replace, and removed when their writer was killed.

A writer holds a lock on its file, which the system takes back when the process ends, however it ends. So whoever comes
later can tell what is abandoned from what another thread, process or container is still writing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# What a file is called until it is complete; `name` begins with that of the file that it will be.
_NAME = re.compile(r"\.(?P<name>.*)\.(?P<pid>[0-9]{1,9})\.tmp", re.DOTALL)
_NAME_BYTES = 200  # of the target's name, so that the longer name is still one that file systems take
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOUND = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def create(target: Path, mode: int = 0o666) -> tuple[Path, BinaryIO]:
    """Make a new file in the folder of `target`, which no other writer has and no link leads to, and lock it.

    Returns its path and the file, open to read and write. Whoever made it renames or removes it before closing it: from
    then on it counts as abandoned. Raises OSError.
    """
    start = _start(target.name)
    while True:
        path = target.with_name(f".{start}.{secrets.token_hex(4)}.{os.getpid()}.tmp")
        descriptor = os.open(path, _NEW, mode)
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return path, os.fdopen(descriptor, "w+b")
        os.close(descriptor)  # taken for an abandoned one, and removed, before it was locked


@contextlib.contextmanager
def replacing(target: Path, mode: int = 0o666, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a new file for writing; when the block ends, it takes the place of `target`.

    If anything fails, `target` stays as it was and the new file is removed. `sync` waits until the contents are on
    disk, since the new name may get there first. Raises OSError.
    """
    path, file = create(target, mode)
    try:
        with file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
            os.replace(path, target)
    except BaseException:
        with contextlib.suppress(OSError):  # what went wrong first is the error
            path.unlink(missing_ok=True)
        raise


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove unfinished files of killed writers from `folder`: those of files whose names begin with `name`.

    What cannot be removed stays, as on a disk that can only be read.
    """
    start = _start(name)
    try:
        found = os.listdir(folder)
    except OSError:
        return
    for entry in found:
        match = _NAME.fullmatch(entry) if entry.endswith(".tmp") else None
        if match and match["name"].startswith(start):
            with contextlib.suppress(OSError):
                _remove_if_abandoned(folder / entry, int(match["pid"]))


def _remove_if_abandoned(path: Path, pid: int) -> None:
    descriptor = os.open(path, _FOUND)
    try:
        locked = _lock(descriptor)
        if locked or (locked is None and not _runs(pid)):
            path.unlink()
    finally:
        os.close(descriptor)


def _start(name: str) -> str:
    return os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")


def _lock(descriptor: int) -> bool | None:
    """Lock an open file and return True; False if another has locked it; None if the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
