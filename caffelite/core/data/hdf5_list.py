"""Lists of HDF5 files, as HDF5Data reads them. Source: src/caffe/layers/hdf5_data_layer.cpp."""

from __future__ import annotations

from pathlib import Path

from caffelite.core.data import included
from caffelite.core.errors import DataError
from caffelite.core.files import first_existing, read_file, reason_of
from caffelite.core.weights.hdf5 import is_hdf5


def find_hdf5_list(name: str, folder: Path | None) -> Path:
    """Return where the list is that a prototxt in `folder` names; see find_or_make."""
    try:
        return included.find_or_make(name, folder, "a text file with names of HDF5 files")
    except DataError as err:
        raise DataError(f"Failed to open source file: {err.message()}") from None


def read_hdf5_list(path: Path) -> list[str]:
    """Return the names in a list, which blanks or line ends divide; DataError if it cannot be read or has none."""
    if is_hdf5(path):
        raise DataError(
            f"{path} is an HDF5 file itself; write its name into a text file, `echo {path} > list.txt`, and give that"
        )
    try:
        names = read_file(path).decode().split()
    except OSError as err:
        raise DataError(f"Failed to open source file: {reason_of(err)}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text file; names of HDF5 files are expected in it, one a line") from None
    if not names:
        raise DataError(f"Must have at least 1 HDF5 filename listed in {path}")
    return names


def find_hdf5_file(name: str, list_path: Path, folder: Path | None) -> Path:
    """Return where a file is that a list names: as written, beside the list, or beside the prototxt in `folder`.

    Raises NoSuchFileError, which lists the places.
    """
    beside = [list_path.parent / name] + ([folder / name] if folder is not None else [])
    return first_existing(dict.fromkeys([Path(name), *beside]))
