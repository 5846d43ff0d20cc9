"""Compiled kernels on disk, so that a second run does not compile again.

numba decides whether stored machine code is fresh by the kernel's own file alone; a changed helper in another file
would silently run old code. Here it is fresh while the package version and every file that the kernel can reach are
what they were; see sources.py. And numba numbers the files of one function by an index, which two processes that
compile at the same time can mix up; here each signature has a file of its own name.

What is loaded from here runs. So only a file that nobody but this user can have written is loaded, and only if it is
what was saved: damaged machine code ends the process.
"""

import contextlib
import glob
import hashlib
import os
import re
import stat
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numba

from caffelite.core import temporaries

SUFFIX = ".nbc"
MAGIC = b"\0caffelite kernel\n"
DIGEST_BYTES = 32
KEPT = 4
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@cache
def cache_folder() -> Path | None:
    """Folder of compiled kernels: NUMBA_CACHE_DIR, else caffelite/kernels in the user's cache; None if not writable.

    One that other users can write is closed to them and emptied.
    """
    folder = _chosen_folder() / "caffelite" / "kernels"
    try:
        if folder.parts[0].startswith("~"):
            raise FileNotFoundError("this user has no home folder; NUMBA_CACHE_DIR may name another")
        folder.mkdir(0o700, parents=True, exist_ok=True)
        _refuse_others_code(folder)
        temporaries.remove_leftovers(folder, lambda name: name.endswith(SUFFIX))
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as err:
        warnings.warn(f"kernels are compiled anew in every run: {folder} cannot keep them ({err})", stacklevel=2)
        return None
    return folder


def _chosen_folder() -> Path:
    """Return the folder that the environment names; it begins with ~ if that is the home of a user who has none."""
    users = os.environ.get("XDG_CACHE_HOME", "")
    if not users.startswith(("/", "~")):  # by its specification one that depends on the working directory is none
        users = "~/.cache"
    chosen = os.environ.get("NUMBA_CACHE_DIR") or users
    if chosen.startswith("~/") and os.environ.get("HOME") == "":  # Python takes that for the root folder
        return Path(chosen)
    return Path(os.path.expanduser(chosen))  # a shell has not seen what stands in a file of settings


def _refuse_others_code(folder: Path) -> None:
    """Machine code is loaded from here: nobody but this user may be able to write it."""
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise PermissionError("it belongs to another user")
    if _others_can_write(status):
        folder.chmod(0o700)  # first, or files could be put there again
        for path in folder.glob(f"*{SUFFIX}"):
            path.unlink(missing_ok=True)
        warnings.warn(f"{folder} could be written by other users: its compiled kernels were removed", stacklevel=3)


def _others_can_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


class FileForEachKey:
    """The stored machine code of one function: a file a signature, CPU, numba version and source, named by these.

    A file begins with a hash of its name, the stamp of the source, and the code. One that is damaged, was renamed, or
    is of another source is none. Those of KEPT sources are kept, so that copies of the package that differ (one that is
    installed, one that is worked on) do not take each other's away.
    """

    def __init__(self, folder: str, name: str, stamp: str) -> None:
        self._folder, self._name, self._stamp = Path(folder), name, stamp

    def _path(self, key: Any) -> Path:
        text = re.sub(" at 0x[0-9a-f]+", "", repr((key, numba.__version__)))  # of a function among the arguments
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        source = hashlib.sha256(self._stamp.encode()).hexdigest()[:10]
        return self._folder / f"{self._name}.{digest}.{source}{SUFFIX}"

    def load(self, key: Any) -> bytes | None:
        """Return what was saved for this key from the same source; None if nothing was."""
        path = self._path(key)
        content = _own_file(path)
        head = self._head(path, content[len(MAGIC) + DIGEST_BYTES :])
        return content[len(head) :] if content.startswith(head) else None

    def save(self, key: Any, data: bytes) -> None:
        """Keep `data`; a file that another process reads or writes at the same time stays whole.

        Warns, once for a folder, if it cannot be written, as on a full disk: the kernel is compiled and runs all the
        same.
        """
        path = self._path(key)
        try:
            with temporaries.new_file(path) as (new, descriptor), open(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(self._head(path, data))
                file.write(data)
                file.flush()  # unsynced: what a lost power supply leaves is damaged, which `load` sees
                os.replace(new, path)
            self._remove_old(path)
        except OSError as err:
            _warn_once(f"kernels will be compiled anew: {self._folder} cannot keep them ({err.strerror or err})")

    def _remove_old(self, path: Path) -> None:
        """Remove what was stored for the same key from older sources, but for the newest."""
        start = path.name.removesuffix(SUFFIX).rpartition(".")[0]
        found = []
        for other in self._folder.glob(f"{glob.escape(start)}.*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # another process removed it meanwhile
                found.append((other.stat().st_mtime_ns, other))
        for _, other in sorted(found)[:-KEPT]:
            other.unlink(missing_ok=True)

    def _head(self, path: Path, data: bytes) -> bytes:
        digest = hashlib.blake2b(f"{path.name}\0{self._stamp}\0".encode(), digest_size=DIGEST_BYTES)
        digest.update(data)
        return MAGIC + digest.digest()


def _own_file(path: Path) -> bytes:
    """Return what the file holds; b"" if there is none, or one that somebody else can have written."""
    try:
        with open(os.open(path, _OPEN), "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.getuid() or _others_can_write(status):
                _warn_once(f"files in {path.parent} can have been written by another user: they are not used")
                return b""
            return file.read() if stat.S_ISREG(status.st_mode) else b""
    except OSError:
        return b""


@cache  # hundreds of kernels meet the same disk
def _warn_once(text: str) -> None:
    warnings.warn(text, stacklevel=4)
