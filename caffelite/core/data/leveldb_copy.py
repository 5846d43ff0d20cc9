"""A LevelDB database opened without changing it: LevelDB writes into the folder that it opens, even to read.

So it is given a folder of its own, in which the files of the database stand by other names.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffelite.core.data.leveldb_files import CURRENT, Files, files_of
from caffelite.core.data.plyvel import plyvel
from caffelite.core.errors import DataError
from caffelite.core.files import reason_of
from caffelite.core.temporaries import new_folder, remove_leftovers

log = logging.getLogger("caffelite")

MAX_OPEN_FILES = 100  # as in Caffe
ATTEMPTS = 3  # if the files change while they are linked
FULL = os.strerror(errno.ENOSPC)


class OpenCopy:
    """A database that plyvel's `iterator` reads, in a folder of links that goes when it is closed or the program ends.

    Files are hard links beside the database, else in the folder for temporary files, else symbolic links there: a
    folder that cannot be written to can be read, and one database by any number of readers and processes. Room is taken
    only for what LevelDB does on its own with any database: it makes tables of records that are still in a log (in
    Caffe's databases up to 256 MiB), and of tables whose keys were not written in order. Hard links stay whole whatever
    becomes of the database. What a killed process left is removed by the next one that opens the database.

    Raises DataError.
    """

    def __init__(self, folder: Path) -> None:
        self.lock = threading.RLock()  # held by whoever uses the iterator: closing it meanwhile would end the process
        self.process = os.getpid()
        self._folder, self._copy = folder, folder
        self._resources = contextlib.ExitStack()
        self._module = plyvel()
        problem: Exception | None = None
        for place in _places(folder):
            remove_leftovers(place.parent, place.name.__eq__)
            try:
                self._open(place)
                break
            except (OSError, self._module.Error) as err:
                self._resources.close()
                problem = err
                if isinstance(err, self._module.Error) and FULL not in text_of(err):
                    raise self.error(err) from None  # another place would not help
            except BaseException:
                self._resources.close()
                raise
        else:
            raise self.error(problem)
        _alive.add(self)

    def _open(self, place: Path) -> None:
        self._copy = self._resources.enter_context(new_folder(place))
        for attempt in range(ATTEMPTS):
            try:
                _link(self._folder, files_of(self._folder), self._copy)
                break
            except FileNotFoundError:  # a writer has just replaced one
                if attempt == ATTEMPTS - 1:
                    raise
        # Paranoid: of a damaged log it would else leave the rest out.
        self._database = self._module.DB(
            os.fsencode(self._copy), create_if_missing=False, paranoid_checks=True, max_open_files=MAX_OPEN_FILES
        )
        self._resources.callback(self._database.close)
        self.iterator: Any = self.new_iterator()

    def new_iterator(self) -> Any:
        """Return another iterator, which finds damaged blocks by their checksums."""
        return self._database.raw_iterator(verify_checksums=True, fill_cache=False)

    def error(self, err: Exception | None) -> DataError:
        """Return the error for what plyvel or the system said about the database."""
        text = text_of(err).replace(str(self._copy), str(self._folder))
        full = "the disk is full: " if FULL in text else ""
        return DataError(f"cannot read the LevelDB database {self._folder}: {full}{text}")

    def close(self) -> None:
        """Close the database and remove the folder; in a forked process do nothing: both belong to the other one."""
        if self.process == os.getpid():
            with self.lock:
                self._resources.close()

    def leave(self) -> None:
        """Let nothing of this process ever take the database down, of which a fork copied half: no thread of it runs.

        Its memory is lost; it is mostly the page cache's.
        """
        for kept in (self.iterator, self._database, self._resources):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))


_alive: weakref.WeakSet[OpenCopy] = weakref.WeakSet()


def _leave_all() -> None:
    for copy in list(_alive):
        copy.leave()


os.register_at_fork(after_in_child=_leave_all)


def text_of(err: Exception | None) -> str:
    """Return what an exception says: plyvel's hold bytes."""
    if isinstance(err, OSError) and err.errno:
        return reason_of(err)
    text = err.args[0] if err and err.args else err
    return text.decode(errors="backslashreplace") if isinstance(text, bytes) else str(text)


def _places(folder: Path) -> Iterator[Path]:
    """Give the names that a copy may be made beside: next to the database, and in the folder for temporary files."""
    real = Path(os.path.realpath(folder))
    if os.access(real.parent, os.W_OK | os.X_OK):
        yield real
    yield Path(tempfile.gettempdir()) / f"caffelite-{real.name}"


def _link(folder: Path, files: Files, copy: Path) -> None:
    """Fill the folder `copy`; OSError."""
    for name in (files.manifest, *files.tables, *files.logs):
        source = os.path.realpath(folder / name)
        (copy / name).unlink(missing_ok=True)
        try:
            os.link(source, copy / name)
        except OSError as err:
            # Other file systems have no hard links to this one, some have none at all, and Linux makes none to what
            # belongs to somebody else.
            if isinstance(err, FileNotFoundError):
                raise
            os.symlink(source, copy / name)
    shutil.copyfile(folder / CURRENT, copy / CURRENT)
