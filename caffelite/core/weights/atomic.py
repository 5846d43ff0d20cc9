"""Write files so that a crash, a full disk or a lost network folder never costs the file that was there before."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from caffelite.core.errors import WeightsError

TEMPORARY = re.compile(r"\.(?P<name>.*)\.(?P<pid>\d+)\.tmp")  # what a file is called until it is complete


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing; when the block ends, it is on disk and takes the place of `path`.

    If the block raises, `path` stays as it was and the new file is removed. Raises WeightsError if the folder or the
    disk refuses. A symbolic link stays, and what it points to is replaced.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise WeightsError(f"cannot write {path}: it is not a file; give the name of a file")
    temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w+b") as file:  # HDF5 reads what it wrote
            yield file
            file.flush()
            os.fsync(file.fileno())  # else the new name may reach the disk before the contents do
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as err:
        temporary.unlink(missing_ok=True)
        raise WeightsError(f"cannot write {path}: {_reason(target, err)}; nothing was changed") from err
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_writable(prefix: str | Path) -> None:
    """Make the folder of files that begin with `prefix`, unless it exists, and write a probe file there and remove it.

    Raises WeightsError if that fails.
    """
    probe = Path(f"{prefix}.tempfile")
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        with open(probe, "wb"):
            pass
        probe.unlink()
    except OSError as err:
        raise WeightsError(
            f"Cannot write to snapshot prefix '{prefix}'.  Make sure that the directory exists and is writable. "
            f"({_reason(probe, err)})"
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
