"""Looking at paths, and finding files that another file names: as written (Caffe's rule), else beside or above it."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from caffelite.core.errors import UsageError


class NoSuchFileError(FileNotFoundError):
    """None of the places `tried` holds the file, or it has no name; who knows the field makes an error of the text."""

    def __init__(self, tried: list[str]) -> None:
        text = f"there is no such file (tried {_listed(tried)}){_of_controls(tried)}" if tried else "the name is empty"
        super().__init__(text)
        self.tried = tried


class Kind(Enum):
    """What stands at a path."""

    NOTHING = "nothing"
    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "a device, pipe or socket"


class UnreachableError(OSError):
    """A path that cannot be looked at; the text says why: `it cannot be looked at (Permission denied)`."""


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """Return what stands at the path, behind links.

    Raises UnreachableError where that cannot be told: a closed folder on the way, too long a name, a link to itself, a
    NUL in the name, ... pathlib's own questions answer some of these with False and raise others.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Kind.NOTHING
    except OSError as err:
        raise UnreachableError(f"it cannot be looked at ({err.strerror})") from None
    except ValueError as err:  # what no system has in a name: NUL, half a surrogate pair
        raise UnreachableError(f"it cannot be looked at ({err})") from None
    return _kind_from(mode)


def _kind_from(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.OTHER


def reason_of(err: OSError) -> str:
    """Return what the system refused in one line, `file: reason`, for those who need no traceback."""
    reason = err.strerror or str(err) or type(err).__name__
    return reason if err.filename is None else f"{os.fsdecode(err.filename)}: {reason}"


def file_problem(path: str | os.PathLike[str]) -> str:
    """Return why the path cannot be read as a file, as the text of an error that names it; "" if it is a file."""
    try:
        kind = kind_of(path)
    except UnreachableError as err:
        return f"{os.fspath(path)}: {err}"
    if kind is Kind.NOTHING:
        return f"File not found: {os.fspath(path)}"
    return "" if kind is Kind.FILE else f"{os.fspath(path)}: cannot be read (it is {kind.value})"


def require_file(path: str | os.PathLike[str], flag: str = "") -> None:
    """Raise UsageError, with the working directory, for what cannot be read as a file; `flag` gave it."""
    if problem := file_problem(path):
        given_by = f"--{flag}: " if flag else ""
        raise UsageError(f"{given_by}{problem} (looked in {Path.cwd()})")


def _listed(words: list[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _of_controls(tried: list[str]) -> str:
    r"""Return a hint on names with a tab and the like, which prototxts make of `C:\train`."""
    controls = {character for place in tried for character in place if character < " "}
    if not controls:
        return ""
    letters = _listed([repr(character)[1:-1] for character in sorted(controls)])
    return rf"; {letters} in a prototxt stands for one character: write \\ for a backslash, or / between folders"


def open_file(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a file for reading, unbuffered; OSError also for what is no file.

    Opening a pipe would wait for its other end, and reading a device need not end. Raises ValueError for a NUL in the
    name.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = _kind_from(os.fstat(descriptor).st_mode)
    if kind is not Kind.FILE:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {kind.value}", os.fspath(path))
    return io.FileIO(descriptor)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return what a file holds; OSError also for what is no file, such as a device, whose end may never come."""
    with open_file(path) as file:
        return file.readall()


def find_file(name: str, folder: Path | None) -> Path:
    """Return where the file or folder `name` is: as written, else in `folder`, that of the file which names it.

    If it is not there either, and `name` begins with a folder, those above `folder` are tried, the nearest first:
    `net: "models/a/net.prototxt"` of solvers/a.prototxt is found from any working directory, in the folder that holds
    models/ and solvers/.

    Raises NoSuchFileError: `there is no such file (tried /a/list.txt, /b/c/list.txt and the folders above /b/c)`.
    """
    if not name:  # which would be the working directory
        raise NoSuchFileError([])
    if folder is None or os.path.isabs(name):
        return first_existing([Path(name)])
    try:
        return first_existing([Path(name), folder / name])
    except NoSuchFileError as err:
        beside = Path(os.path.abspath(folder))
        if len(Path(name).parts) == 1:  # of a name alone there may be many that are meant for something else
            raise
        try:
            return first_existing(above / name for above in beside.parents)
        except NoSuchFileError:
            raise NoSuchFileError([*err.tried, f"the folders above {beside}"]) from None


def first_existing(places: Iterable[Path]) -> Path:
    """Return the first of the places that exists; NoSuchFileError if none does, or none that can be looked at."""
    tried = {}
    for place in places:
        try:
            if kind_of(place) is not Kind.NOTHING:
                return place
            tried[os.path.abspath(place)] = ""
        except UnreachableError as err:
            tried[os.path.abspath(place)] = f": {err}"
    raise NoSuchFileError([f"{place}{problem}" for place, problem in tried.items()])
