"""Compiled kernels on disk, so that a second run does not compile again.

numba decides whether stored machine code is fresh by the kernel's own file alone; a changed helper in another file
would silently run old code. Here it is fresh while the package version and every file that the kernel can reach are
what they were; see sources.py. And numba numbers the files of one function by an index, which two processes that
compile at the same time can mix up; here each signature has a file of its own name.
"""

import hashlib
import os
import pickle
import re
import stat
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numba


@cache
def cache_folder() -> Path | None:
    """Folder of compiled kernels: NUMBA_CACHE_DIR, else caffelite/kernels in the user's cache; None if not writable."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(chosen or home) / "caffelite" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        _refuse_others_code(folder)
    except OSError as err:
        warnings.warn(f"kernels are compiled anew in every run: {folder} cannot keep them ({err})", stacklevel=2)
        return None
    return folder


def _refuse_others_code(folder: Path) -> None:
    """Machine code is loaded from here: nobody but this user may be able to write it."""
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)


class FileForEachKey:
    """The stored machine code of one function: a file a signature, CPU and numba version, named by these."""

    def __init__(self, folder: str, name: str, stamp: str) -> None:
        self._folder, self._name, self._stamp = Path(folder), name, stamp

    def _path(self, key: Any) -> Path:
        text = re.sub(" at 0x[0-9a-f]+", "", repr((key, numba.__version__)))  # of a function among the arguments
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._folder / f"{self._name}.{digest}.nbc"

    def load(self, key: Any) -> bytes | None:
        """Return what was saved for this key from the same source; None if nothing was."""
        try:
            stamp, data = pickle.loads(self._path(key).read_bytes())
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            return None  # no such file, or one that a full disk cut short
        return data if stamp == self._stamp else None

    def save(self, key: Any, data: bytes) -> None:
        """Keep `data`; a file that another process reads or writes at the same time stays whole.

        Warns if it cannot be written, as on a full disk: the kernel is compiled and runs all the same.
        """
        try:
            file = tempfile.NamedTemporaryFile(dir=self._folder, delete=False)
            try:
                with file:
                    file.write(pickle.dumps((self._stamp, data)))
                os.replace(file.name, self._path(key))
            except OSError:
                os.unlink(file.name)
                raise
        except OSError as err:
            warnings.warn(f"a kernel will be compiled anew: {self._folder} cannot keep it ({err})", stacklevel=2)
