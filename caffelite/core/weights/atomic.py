"""Write files so that a crash, a full disk or a lost network folder never costs the file that was there before."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from caffelite.core.errors import WeightsError
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.temporaries import new_file, remove_leftovers


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing; when the block ends, it is on disk and takes the place of `path`.

    If the block raises, `path` stays as it was and the new file is removed; so is what killed programs left of this
    path. Raises WeightsError if the folder or the disk refuses. A symbolic link stays, and what it points to is
    replaced.
    """
    try:
        kind = kind_of(path)
    except UnreachableError as err:
        raise WeightsError(f"cannot write {path}: {err}; nothing was changed") from None
    if kind not in (Kind.FILE, Kind.NOTHING):
        raise WeightsError(f"cannot write {path}: it is not a file; give the name of a file")
    target = Path(os.path.realpath(path))
    remove_leftovers(target.parent, lambda name: name == target.name)
    try:
        with new_file(target) as (temporary, descriptor), os.fdopen(descriptor, "w+b") as file:
            yield file  # HDF5 reads what it wrote
            file.flush()
            os.fsync(descriptor)  # else the new name may reach the disk before the contents do
            os.replace(temporary, target)  # before the file is closed: that ends its lock
        _sync_folder(target.parent)
    except OSError as err:
        raise WeightsError(f"cannot write {path}: {_reason(target, err)}; nothing was changed") from err


def check_writable(prefix: str | Path) -> None:
    """Make the folder of files that begin with `prefix`, unless it exists, and make a file there and remove it.

    Raises WeightsError if that fails.
    """
    start = Path(f"{prefix}.solverstate")
    try:
        if kind_of(start) is Kind.NOTHING:  # else too long a name shows itself
            start.parent.mkdir(parents=True, exist_ok=True)
        with new_file(start) as (_, descriptor):
            os.close(descriptor)
    except OSError as err:
        raise WeightsError(
            f"Cannot write to snapshot prefix '{prefix}'.  Make sure that the directory exists and is writable. "
            f"({_reason(start, err)})"
        ) from err


def _reason(target: Path, err: OSError) -> str:
    if isinstance(err, FileNotFoundError) and not os.path.exists(target.parent):
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
