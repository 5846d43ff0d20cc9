"""The HDF5 files of a list: found, looked at, of one shape; and what can be told where some are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from caffelite.core.blob import Shape
from caffelite.core.data import included
from caffelite.core.data.hdf5_list import find_hdf5_file, read_hdf5_list
from caffelite.core.data.hdf5_rows import Hdf5Rows, require_readable
from caffelite.core.errors import DataError, WeightsError
from caffelite.core.files import NoSuchFileError, find_file
from caffelite.core.format import shape_string

DATA, LABEL = "data", "label"  # the datasets of files that come with caffelite


def find_hdf5_files(names: Sequence[str], list_path: Path, folder: Path | None) -> list[Path]:
    """Return where the files of a list are; DataError for the first that is nowhere. `folder` is the prototxt's."""
    try:
        return [find_hdf5_file(name, list_path, folder) for name in names]
    except NoSuchFileError as err:
        raise DataError(f"Failed opening HDF5 file: {err}; {list_path} names it") from None


def open_hdf5_files(paths: Sequence[Path], names: Sequence[str]) -> list[Hdf5Rows]:
    """Return the files with their datasets `names`, looked at but not open.

    Raises DataError, naming the file, for one that cannot be used or whose rows have other shapes than the first one's.
    """
    try:
        require_readable(paths, names)
    except WeightsError as err:
        raise DataError(str(err)) from None
    files = [Hdf5Rows(path, names) for path in paths]
    for file in files[1:]:
        for dataset, wanted in zip(file.datasets, files[0].datasets, strict=True):
            if dataset.row_shape != wanted.row_shape:
                raise DataError(
                    f"{file.path}: rows of dataset {dataset.name} are {_shown(dataset.row_shape)}, and in "
                    f"{files[0].path} they are {_shown(wanted.row_shape)}; all files of a list must have rows of one "
                    "shape"
                )
    return files


def _shown(row_shape: Shape) -> str:
    return shape_string(row_shape) if row_shape else "single numbers"


def count_rows(source: str, folder: Path | None, names: Sequence[str]) -> int:
    """Return how many rows the files of the list `source` hold, those of a data set also before it is made.

    0 if that cannot be told: the list or a file is missing or cannot be used.
    """
    try:
        list_path = find_file(source, folder)
    except NoSuchFileError:
        records = included.records_of(source)
        return records.images if records else 0
    try:
        paths = find_hdf5_files(read_hdf5_list(list_path), list_path, folder)
        return sum(file.count for file in open_hdf5_files(paths, names))
    except DataError:
        return 0


def missing_hdf5_file(source: str, folder: Path | None) -> str:
    """Return the first file that the list `source`, which is there, names and that is not; "" if all are."""
    list_path = find_file(source, folder)
    for name in read_hdf5_list(list_path):
        try:
            find_hdf5_file(name, list_path, folder)
        except NoSuchFileError:
            return name
    return ""


def known_row_shapes(source: str, folder: Path | None, names: Sequence[str]) -> dict[str, Shape]:
    """Return the shapes of rows of datasets, as far as they can be told where the list or files of it are missing.

    That is from one of the other files, or of data sets that `caffelite dataset` makes. Raises DataError as
    `open_hdf5_files`.
    """
    records = included.records_of(source)
    if records is not None:
        known = {DATA: records.shape, LABEL: ()}
        return {name: known[name] for name in names if name in known}
    try:
        list_path = find_file(source, folder)
    except NoSuchFileError:
        return {}
    for name in read_hdf5_list(list_path):
        try:
            path = find_hdf5_file(name, list_path, folder)
        except NoSuchFileError:
            continue
        (file,) = open_hdf5_files([path], names)
        return {dataset.name: dataset.row_shape for dataset in file.datasets}
    return {}
