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
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching
from numba.core.serialize import dumps

from caffelite.core.kernels.jit.sources import source_stamp


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
    if not hasattr(os, "getuid"):
        return
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)


class _FileForEachKey:
    """The stored machine code of one function: a file a signature, CPU and numba version, named by these."""

    def __init__(self, folder: str, name: str, stamp: str) -> None:
        self._folder, self._name, self._stamp = Path(folder), name, stamp

    def _path(self, key: Any) -> Path:
        text = re.sub(" at 0x[0-9a-f]+", "", repr((key, numba.__version__)))  # of a function among the arguments
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._folder / f"{self._name}.{digest}.nbc"

    def load(self, key: Any) -> Any:
        """Return what was saved for this key from the same source; None if nothing was."""
        try:
            stamp, data = pickle.loads(self._path(key).read_bytes())
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            return None  # no such file, or one that a full disk cut short
        return pickle.loads(data) if stamp == self._stamp else None

    def save(self, key: Any, data: Any) -> None:
        """Keep `data`; a file that another process reads or writes at the same time stays whole."""
        path = self._path(key)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(pickle.dumps((self._stamp, dumps(data))))
        os.replace(file.name, path)


class _KernelLocator(caching._CacheLocator):  # type: ignore[misc]
    """Where numba keeps a kernel's machine code, and what must be unchanged for it to be used."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._stamp = source_stamp(py_func)
        self._place = hashlib.sha256(py_file.encode()).hexdigest()[:10]

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return self._place

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_KernelLocator":
        return cls(py_func, py_file)


class _KernelCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_KernelLocator]


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """What numba asks for compiled code of one function, and gives it."""

    _impl_class = _KernelCacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        impl = self._impl
        self._cache_file = _FileForEachKey(
            impl.locator.get_cache_path(), impl.filename_base, impl.locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled code for a signature; None if there is none, or the file holds another's."""
        loaded = super().load_overload(sig, target_context)
        return loaded if loaded is not None and tuple(loaded.signature.args) == tuple(sig) else None
