"""HDF5 files read and written so that damaged ones are errors: what weights and states in this format have in common.

Another process looks at a file first (hdf5_safety.py). Every size is checked before memory is taken.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from caffelite.core.blob import MAX_AXES, Array, Shape
from caffelite.core.errors import CaffeliteError, WeightsError
from caffelite.core.file_kinds import HDF5_SIGNATURE, HEAD, FileKind, looks_like
from caffelite.core.files import file_problem, open_file
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.hdf5_safety import require_safe, trust
from caffelite.core.weights.stored import StoredBlob

BEST_COMPRESSION = 1032  # values of a file that deflate packed as tightly as it can
_DEEPEST = 32  # groups in groups


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Return whether the file begins as HDF5 files do; False for one that cannot be read."""
    try:
        with open_file(path) as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


class Hdf5File:
    """An HDF5 file open for reading; `what` says in errors what was expected, such as `caffemodel`."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        import h5py

        self.path, self.what = Path(path), what
        self.size = self.path.stat().st_size
        self.root: Any = h5py.File(path, "r")

    def damaged(self, text: str) -> WeightsError:
        """Return the error to raise where the contents make no sense."""
        return WeightsError(
            f"{self.path}: {text}; the file is damaged, was not copied completely, or is not a {self.what}"
        )

    def group(self, parent: Any, name: str) -> Any:
        """Return the group `name` of `parent`, None if there is none. Links out of the file are not followed."""
        import h5py

        found = self._child(parent, name)
        return found if isinstance(found, h5py.Group) else None

    def dataset(self, parent: Any, name: str) -> Any:
        """Return the dataset `name` of `parent`, None if there is none."""
        import h5py

        found = self._child(parent, name)
        return found if isinstance(found, h5py.Dataset) else None

    def _child(self, parent: Any, name: str) -> Any:
        import h5py

        if name not in parent or not isinstance(parent.get(name, getlink=True), h5py.HardLink):
            return None
        return parent[name]

    def groups(self, top: Any) -> Iterator[tuple[str, Any]]:
        """Walk all groups in `top`, each once, with their names from there: `conv1`, `block/conv2`."""
        seen: set[int] = set()  # in a damaged file a group may hold itself
        waiting = [("", top)]
        while waiting:
            name, group = waiting.pop()
            if name:
                yield name, group
            address = _address(group)
            if address in seen or name.count("/") >= _DEEPEST:
                continue
            seen.add(address)
            children = ((child, self.group(group, child)) for child in sorted(group, reverse=True))
            waiting += [(f"{name}/{child}".lstrip("/"), found) for child, found in children if found is not None]

    def blobs(self, group: Any) -> dict[int, Any]:
        """Return the datasets of a group whose names are numbers."""
        names = [name for name in group if name.isascii() and name.isdigit() and str(int(name)) == name]
        found = {int(name): self.dataset(group, name) for name in names if len(name) < 9}
        return {number: dataset for number, dataset in found.items() if dataset is not None}

    def shape(self, dataset: Any, what: str) -> Shape:
        """Return the shape of a dataset of numbers; WeightsError if it holds something else or more than the file."""
        shape = dataset.shape
        if shape is None or dataset.dtype.kind not in "fiu" or len(shape) > MAX_AXES:
            raise self.damaged(f"{what} is no array of numbers")
        if dataset.is_virtual or dataset.external:
            raise WeightsError(f"{self.path}: the values of {what} are in other files; copy them into this one")
        room = self.size if dataset.chunks is None else self.size * BEST_COMPRESSION
        if prod(shape) * dataset.dtype.itemsize > room:
            raise self.damaged(f"{what} is larger than the file")
        return tuple(shape)

    def read(self, dataset: Any, out: Array) -> None:
        """Fill `out`, C-contiguous and of the dataset's shape, whatever number type either has."""
        import h5py

        if out.size:
            dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out)

    def stored(self, dataset: Any, what: str) -> StoredBlob:
        """Return a copy of a dataset of numbers, float64 if that is what it holds, else float32."""
        shape = self.shape(dataset, what)
        values = np.empty(shape, np.float64 if dataset.dtype == np.float64 else np.float32)
        self.read(dataset, values)
        return StoredBlob(shape, False, values.reshape(-1), None)


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], what: str) -> Iterator[Hdf5File]:
    """Open an HDF5 file for reading; whatever libhdf5 finds wrong in it, there or in the block, is a WeightsError."""
    if problem := file_problem(path):
        raise WeightsError(problem)
    if not is_hdf5(path):
        raise WeightsError(f"{path}: {_kind(path).instead_of(f'an HDF5 {what}')}")
    require_safe(path)
    file = None
    try:
        file = Hdf5File(path, what)
        yield file
    except CaffeliteError:
        raise
    except Exception as err:  # for damage h5py raises OSError, RuntimeError, ValueError, TypeError, KeyError, ...
        raise WeightsError(f"{path}: this HDF5 file is damaged or was not copied completely ({err})") from err
    finally:
        if file is not None:
            file.root.close()


def _kind(path: str | os.PathLike[str]) -> FileKind:
    try:
        with open(path, "rb") as file:
            return looks_like(file.read(HEAD)) or FileKind("another kind of file")
    except OSError as err:
        return FileKind(f"not readable ({err.strerror})")


def _address(group: Any) -> int:
    import h5py

    info = h5py.h5o.get_info(group.id)
    return int(info.addr)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Give a new HDF5 file to write; it takes the place of `path` when the block ends, complete or not at all."""
    import h5py

    with replacing(Path(path)) as raw, h5py.File(raw, "w") as root:
        yield root
    trust(path)


def write_array(group: Any, name: str, values: Array) -> None:
    """Write a dataset as Caffe does: contiguous, in the machine's byte order, without attributes."""
    group.create_dataset(name, data=values, track_times=False)
