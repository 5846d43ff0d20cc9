"""Caffemodels in HDF5: a group a layer in /data, a dataset a parameter. Source: src/caffe/net.cpp, util/hdf5.cpp.

A layer's name with slashes, which Caffe cannot write, gives groups in groups.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from caffelite.core.blob import Blob
from caffelite.core.errors import WeightsError
from caffelite.core.format import shape_string
from caffelite.core.weights.hdf5 import Hdf5File, opened, write_array, writing

if TYPE_CHECKING:
    from caffelite.core.net.net import Net

log = logging.getLogger("caffelite")


def copy_trained_layers(net: Net, path: str | os.PathLike[str]) -> None:
    """Copy parameters into the net's layers of the same name, of equal names the last; the others keep theirs.

    Gradients are not read. Raises WeightsError, before anything is copied, if the file is no caffemodel or a layer's
    parameters do not fit: each that the layer owns must be there in its own shape.
    """
    own = {_group_name(name): index for index, name in enumerate(net.layer_names)}
    with opened(path, "caffemodel") as file:
        data = file.group(file.root, "data")
        if data is None:
            raise file.damaged("it holds no group /data")
        pairs: list[tuple[Blob, Any]] = []
        for name, group in file.groups(data):
            stored = file.blobs(group)
            if name in own:
                pairs += _pairs(net, own[name], stored, file)
            elif stored or not len(group):  # else it is there for the groups in it
                log.info("Ignoring source layer %s", name)
        for blob, dataset in pairs:
            file.read(dataset, blob.data)


def _pairs(net: Net, index: int, stored: dict[int, Any], file: Hdf5File) -> list[tuple[Blob, Any]]:
    name, blobs = net.layer_names[index], net.core_layers[index].blobs
    if max(stored, default=-1) >= len(blobs):
        raise WeightsError(
            f"Incompatible number of blobs for layer {name}: {file.path} has {len(stored)}, the net {len(blobs)}; "
            "rename the layer to learn it from scratch"
        )
    pairs = []
    for number, blob in enumerate(blobs):
        what = f"param {number} of layer '{name}'"
        if number not in stored:
            if net.owns_param(index, number):
                raise WeightsError(f"{file.path}: {what} is missing; rename the layer to learn it from scratch")
            continue
        shape = file.shape(stored[number], what)
        if shape != blob.shape:
            raise WeightsError(
                f"Cannot load blob from hdf5; shape mismatch. Source shape is {shape_string(shape)} target shape is "
                f"{shape_string(blob.shape)} ({what}, {file.path}). To learn this layer's parameters from scratch "
                "rather than copying from a saved net, rename the layer."
            )
        pairs.append((blob, stored[number]))
    return pairs


def save(net: Net, path: str | os.PathLike[str], write_diff: bool = False) -> None:
    """Write the parameters that each layer owns, and with `write_diff` the gradients of all; complete or not at all.

    Raises WeightsError for names that cannot be groups: two layers of one name, or a name that is also a parameter.
    """
    _check_names(net)
    with writing(path) as root:
        parts = ("data", "diff") if write_diff else ("data",)
        for part in parts:
            top = root.create_group(part)
            for index, (name, layer) in enumerate(zip(net.layer_names, net.core_layers, strict=True)):
                group = top.require_group(_group_name(name))
                for number, blob in enumerate(layer.blobs):
                    if part == "diff" or net.owns_param(index, number):
                        write_array(group, str(number), getattr(blob, part))


def _group_name(layer_name: str) -> str:
    """Return the path that HDF5 makes of a name: it passes over empty parts and single dots."""
    return "/".join(part for part in layer_name.split("/") if part not in ("", "."))


def _check_names(net: Net) -> None:
    groups: set[str] = set()
    for name in net.layer_names:
        group = _group_name(name)
        if not group or group in groups:
            raise WeightsError(f'layer "{name}": HDF5 needs a name of its own for each layer; write BINARYPROTO')
        groups.add(group)
    params = {f"{_group_name(layer.name)}/{number}" for layer in net.core_layers for number in range(len(layer.blobs))}
    taken = params & {"/".join(group.split("/")[:end]) for group in groups for end in range(1, group.count("/") + 2)}
    if taken:
        raise WeightsError(f'layer "{min(taken)}": in HDF5 this is the name of a parameter; write BINARYPROTO')
