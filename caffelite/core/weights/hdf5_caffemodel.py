"""Caffemodels in HDF5: a group a layer in /data, a dataset a parameter. Source: src/caffe/net.cpp, util/hdf5.cpp.

A layer's name with slashes, which Caffe cannot write, gives groups in groups. Of layers of one name, which it cannot
write either, all but the last have a number behind it: `ip (1)`, `ip`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.lines import where
from caffelite.core.weights.hdf5 import Hdf5File, opened, write_array, writing
from caffelite.core.weights.match import NetLayer, Rules, SourceLayer, check_filled, distinct, matched

_RULES = Rules(
    may_lack=True,
    count_text="Incompatible number of blobs for layer {name}: {source} has {found}, the net {wanted}; "
    "rename the layer to learn it from scratch",
    shape_text="Cannot load blob from hdf5; shape mismatch. Source shape is {found} target shape is {wanted} "
    "(param {number} of layer '{name}', {source}). To learn this layer's parameters from scratch rather than copying "
    "from a saved net, rename the layer.",
)


class _Dataset(NamedTuple):
    """A parameter in the file, read when it is wanted: what no layer of the net takes is never looked at."""

    file: Hdf5File
    dataset: Any
    what: str

    @property
    def shape(self) -> Shape:
        return self.file.shape(self.dataset, self.what)

    def read(self, out: Array) -> None:
        self.file.read(self.dataset, out)


def copy_model(layers: Sequence[NetLayer], path: str | os.PathLike[str], all_needed: bool = False) -> None:
    """Copy parameters into the layers of the same name; of equal names the last has the name itself, as in Caffe.

    Gradients are not read. Raises WeightsError, before anything is copied, if the file is no caffemodel, no layer with
    parameters is in it, or a layer's do not fit: each that the layer owns must be there in its own shape. Layers that
    got nothing are named in warnings, or refused if `all_needed`.
    """
    with opened(path, "caffemodel") as file:
        pairs = matched(_as_stored(layers), _stored_layers(file), os.fspath(path), _RULES)
        check_filled(layers, [blob for blob, _ in pairs], os.fspath(path), all_needed)
        for blob, dataset in pairs:
            dataset.read(blob.data)


def read_layers(path: str | os.PathLike[str]) -> dict[str, dict[int, Array]]:
    """Return the parameters of all layers that have some, by name and number; WeightsError if it is no caffemodel."""
    with opened(path, "caffemodel") as file:
        found = {}
        for layer in _stored_layers(file):
            values = {number: np.empty(dataset.shape, np.float32) for number, dataset in layer.blobs.items()}
            for number, dataset in layer.blobs.items():
                dataset.read(values[number])
            if values:
                found[layer.name] = values
        return found


def _stored_layers(file: Hdf5File) -> Iterator[SourceLayer[_Dataset]]:
    data = file.group(file.root, "data")
    if data is None and file.group(file.root, "history") is not None:
        raise WeightsError(f"{file.path}: this is a solverstate, not a caffemodel; give the file of the weights")
    if data is None:
        raise file.damaged("it holds no group /data")
    for name, group in file.groups(data):
        stored = {
            number: _Dataset(file, dataset, f"param {number} of layer '{name}'")
            for number, dataset in file.blobs(group).items()
        }
        yield SourceLayer(name, stored, is_folder=not stored and len(group) > 0)


def write_model(
    path: str | os.PathLike[str], net_name: str, layers: Sequence[NetLayer], write_diff: bool = False
) -> None:
    """Write the parameters that each layer owns, and with `write_diff` the gradients of all; complete or not at all.

    The net's name is not stored. Raises WeightsError for names that cannot be groups: an empty one, or one that is
    also a parameter.
    """
    layers = _as_stored(layers)
    _check_names(layers)
    with writing(path) as root:
        parts = ("data", "diff") if write_diff else ("data",)
        for part in parts:
            top = root.create_group(part)
            for layer in layers:
                group = top.require_group(layer.name)
                for number, (blob, owned) in enumerate(zip(layer.blobs, layer.owned, strict=True)):
                    if part == "diff" or owned:
                        write_array(group, str(number), getattr(blob, part))


def _group_name(layer_name: str) -> str:
    """Return the path that HDF5 makes of a name: it passes over empty parts and single dots."""
    return "/".join(part for part in layer_name.split("/") if part not in ("", "."))


def _as_stored(layers: Sequence[NetLayer]) -> list[NetLayer]:
    """Return the layers with the names of their groups, all different among those with parameters."""
    with_params = [layer for layer in layers if layer.blobs]
    names = iter(distinct([_group_name(layer.name) for layer in with_params]))
    return [layer._replace(name=next(names) if layer.blobs else _group_name(layer.name)) for layer in layers]


def _check_names(layers: Sequence[NetLayer]) -> None:
    """Refuse layers, named as their groups, that cannot be told apart in a file."""
    groups: set[str] = set()
    owners: set[str] = set()
    for layer in layers:
        if not layer.name or layer.name in owners and layer.blobs:
            raise WeightsError(
                f'{where(layer.place)}layer "{layer.param.name}": HDF5 needs a name of its own for each layer; write '
                "BINARYPROTO"
            )
        groups.add(layer.name)
        owners |= {layer.name} if layer.blobs else set()
    params = {f"{layer.name}/{number}" for layer in layers for number in range(len(layer.blobs))}
    taken = params & {"/".join(group.split("/")[:end]) for group in groups for end in range(1, group.count("/") + 2)}
    if taken:
        raise WeightsError(f'layer "{min(taken)}": in HDF5 this is the name of a parameter; write BINARYPROTO')
