"""Caffemodels: the parameters of a net in a file, copied by layer name. Source: src/caffe/net.cpp."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caffelite.core.blob import Blob
from caffelite.core.blob_proto import shape_fits
from caffelite.core.errors import WeightsError
from caffelite.core.format import shape_string
from caffelite.core.weights import hdf5_caffemodel
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.stored import LAYER_BLOBS, NET_LAYER, StoredBlob, StoredLayer, stored_layers
from caffelite.core.weights.wire import WireFile
from caffelite.core.weights.wire_write import Chunk, chunks_of, joined, nested
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter

if TYPE_CHECKING:
    from caffelite.core.layer import Layer
    from caffelite.core.net.net import Net

log = logging.getLogger("caffelite")


def read_layers(path: str | os.PathLike[str]) -> list[StoredLayer]:
    """Return the layers of a caffemodel of any age, their values as views of the file; WeightsError if it is none."""
    file = WireFile(Path(path), "caffemodel")
    layers = list(stored_layers(file))
    if not layers:
        raise file.damaged("it holds no layers")
    return layers


def copy_trained_layers(net: Net, path: str | os.PathLike[str]) -> None:
    """Copy parameters, and gradients where stored, into the net's layers of the same name; the others keep theirs.

    The file's contents tell whether it is HDF5. Raises WeightsError, before anything is copied, if the file is no
    caffemodel or a layer's blobs do not fit.
    """
    if is_hdf5(path):
        hdf5_caffemodel.copy_trained_layers(net, path)
        return
    own: dict[str, Layer] = {}
    for layer in net.core_layers:
        own.setdefault(layer.name, layer)  # of several layers of one name the first is meant
    pairs: list[tuple[Blob, StoredBlob]] = []
    for stored in read_layers(path):
        if stored.name not in own:
            log.info("Ignoring source layer %s", stored.name)
            continue
        pairs += _pairs(own[stored.name].blobs, stored, path)
    with np.errstate(over="ignore", invalid="ignore"):  # doubles beyond float32 become infinite, as in Caffe
        for blob, values in pairs:
            blob.data.reshape(-1)[...] = values.data
            if values.diff is not None:
                blob.diff.reshape(-1)[...] = values.diff


def _pairs(blobs: list[Blob], stored: StoredLayer, path: str | os.PathLike[str]) -> list[tuple[Blob, StoredBlob]]:
    if len(blobs) != len(stored.blobs):
        raise WeightsError(
            f"Incompatible number of blobs for layer {stored.name}: {os.fspath(path)} has {len(stored.blobs)}, "
            f"the net {len(blobs)}; rename the layer to learn it from scratch"
        )
    for index, (blob, source) in enumerate(zip(blobs, stored.blobs, strict=True)):
        if not shape_fits(blob.shape, source.shape, source.legacy):
            raise WeightsError(
                f"Cannot copy param {index} weights from layer '{stored.name}'; shape mismatch.  "
                f"Source param shape is {shape_string(source.shape)}; "
                f"target param shape is {shape_string(blob.shape)}. "
                "To learn this layer's parameters from scratch rather than copying from a saved net, rename the layer."
            )
    return list(zip(blobs, stored.blobs, strict=True))


def save(net: Net, path: str | os.PathLike[str], write_diff: bool = False) -> None:
    """Write the net's layers and parameters, and their gradients if asked; the file appears complete or not at all."""
    with replacing(Path(path)) as file:
        for chunk in _net_chunks(net, write_diff):
            file.write(chunk)


def to_proto(net: Net, write_diff: bool = False) -> NetParameter:
    """Return the net as `save` writes it."""
    return NetParameter.FromString(joined(_net_chunks(net, write_diff)))


def _net_chunks(net: Net, write_diff: bool) -> Iterator[Chunk]:
    """Chunks of a NetParameter with name and layers alone: all layers, inserted ones too, with their phase."""
    yield NetParameter(name=net.name).SerializeToString()
    for layer in net.core_layers:
        chunks: list[Chunk] = [_layer_header(layer).SerializeToString()]
        for blob in layer.blobs:
            chunks += nested(LAYER_BLOBS, chunks_of(blob, write_diff))
        yield from nested(NET_LAYER, chunks)


def _layer_header(layer: Layer) -> LayerParameter:
    """Return the layer's message without parameters."""
    header = LayerParameter()
    header.CopyFrom(layer.layer_param)
    del header.blobs[:]
    return header
