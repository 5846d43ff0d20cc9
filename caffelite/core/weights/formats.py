"""The two formats of weight and state files, protobuf's and HDF5: how each is told, named, read and written.

A file's contents tell its format when it is read; a solver's snapshot_format chooses when one is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from caffelite.core.blob import Array, Shape
from caffelite.core.weights import caffemodel, hdf5_caffemodel, hdf5_state, solverstate
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.match import NetLayer
from caffelite.core.weights.solverstate import StoredState
from caffelite.proto.caffe_pb2 import SolverParameter, SolverState

Path = str | os.PathLike[str]


class Format(NamedTuple):
    """What is done with files of one format; the functions as in caffemodel.py and solverstate.py.

    `suffix` stands behind `.caffemodel` and `.solverstate` in names of snapshots.
    """

    suffix: str
    copy_model: Callable[[Sequence[NetLayer], Path, bool], None]
    write_model: Callable[[Path, str, Sequence[NetLayer], bool], None]
    read_state: Callable[[Path], StoredState]
    write_state: Callable[[Path, SolverState, Sequence[tuple[Shape, Array]]], None]


BINARY = Format(
    "",
    caffemodel.copy_model,
    caffemodel.write_model,
    solverstate.read_state,
    solverstate.write_state,
)
HDF5 = Format(
    ".h5",
    hdf5_caffemodel.copy_model,
    hdf5_caffemodel.write_model,
    hdf5_state.read_state,
    hdf5_state.write_state,
)
SUFFIXES = (BINARY.suffix, HDF5.suffix)


def format_of(path: Path) -> Format:
    """Return the format of a file, told by its contents; BINARY for one that cannot be read."""
    return HDF5 if is_hdf5(path) else BINARY


def format_to_write(param: SolverParameter) -> Format:
    """Return the format that a solver's snapshot_format asks for."""
    return HDF5 if param.snapshot_format == SolverParameter.HDF5 else BINARY


def copy_trained_layers(layers: Sequence[NetLayer], path: Path, all_needed: bool = False) -> None:
    """Copy the parameters in a caffemodel of either format into the layers of the same name; the others keep theirs.

    Raises WeightsError, before anything is copied, if the file is no caffemodel or a layer's blobs do not fit; if
    `all_needed`, also if a layer with parameters is not in it, of which there is a warning otherwise.
    """
    format_of(path).copy_model(layers, path, all_needed)
