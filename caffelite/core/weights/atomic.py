"""Write files so that a crash, a full disk or a lost network folder never costs the file that was there before."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from caffelite.core import temporary
from caffelite.core.errors import WeightsError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing; when the block ends, it is on disk and takes the place of `path`.

    If the block raises, `path` stays as it was and the new file is removed; so are those that killed processes left of
    this path. Raises WeightsError if the folder or the disk refuses. A symbolic link stays, and what it points to is
    replaced.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise WeightsError(f"cannot write {path}: it is not a file; give the name of a file")
        temporary.remove_abandoned(target.parent, target.name)
        with temporary.replacing(target) as file:
            yield file
        _sync_folder(target.parent)
    except OSError as err:
        raise WeightsError(f"cannot write {path}: {_reason(target, err)}; nothing was changed") from err


def check_writable(prefix: str | Path) -> None:
    """Make the folder of files that begin with `prefix`, unless it exists, and write a probe file there and remove it.

    Raises WeightsError if that fails, or if no file system takes names as long.
    """
    name = Path(f"{prefix}.tempfile")
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.lstat(name)
        path, file = temporary.create(name)
        with file:
            path.unlink()
    except OSError as err:
        raise WeightsError(
            f"Cannot write to snapshot prefix '{prefix}'.  Make sure that the directory exists and is writable. "
            f"({_reason(name, err)})"
        ) from err


def _reason(target: Path, err: OSError) -> str:
    if isinstance(err, FileNotFoundError) and not target.parent.exists():
        return f"there is no folder {target.parent}"
    return err.strerror or str(err)


def _sync_folder(folder: Path) -> None:
    """Let the rename reach the disk; some systems cannot open folders, and there it is left to them."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with contextlib.suppress(OSError):
        os.fsync(descriptor)
    os.close(descriptor)
