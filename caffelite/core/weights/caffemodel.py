"""Caffemodels in protobuf's form: the parameters of a net in a file, by layer name. Source: src/caffe/net.cpp."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from caffelite.core.blob import Blob
from caffelite.core.blob_proto import shape_fits
from caffelite.core.errors import WeightsError
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.match import NetLayer, Rules, SourceLayer, check_filled, matched
from caffelite.core.weights.stored import LAYER_BLOBS, NET_LAYER, StoredBlob, StoredLayer, is_solverstate, stored_layers
from caffelite.core.weights.wire import WireFile
from caffelite.core.weights.wire_write import Chunk, chunks_of, joined, nested
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter

_RULES = Rules(
    may_lack=False,
    count_text="Incompatible number of blobs for layer {name}: {source} has {found}, the net {wanted}; "
    "rename the layer to learn it from scratch",
    shape_text="{source}: Cannot copy param {number} weights from layer '{name}'; shape mismatch.  Source param shape "
    "is {found}; target param shape is {wanted}. To learn this layer's parameters from scratch rather than copying "
    "from a saved net, rename the layer.",
)


def read_layers(path: str | os.PathLike[str]) -> list[StoredLayer]:
    """Return the layers of a caffemodel of any age, their values as views of the file; WeightsError if it is none."""
    file = WireFile(Path(path), "caffemodel")
    if is_solverstate(file):
        raise WeightsError(f"{file.path}: this is a solverstate, not a caffemodel; give the file of the weights")
    layers = list(stored_layers(file))
    if not layers:
        raise file.damaged("it holds no layers")
    return layers


def copy_model(layers: Sequence[NetLayer], path: str | os.PathLike[str], all_needed: bool = False) -> None:
    """Copy parameters, and gradients where stored, into the layers of the same name, of equal names in their order.

    Raises WeightsError, before anything is copied, if the file is no caffemodel, a layer's blobs do not fit, or no
    layer with parameters is in it; layers that got nothing are named in warnings, or refused if `all_needed`.
    """
    sources = [SourceLayer(stored.name, dict(enumerate(stored.blobs))) for stored in read_layers(path)]
    pairs = matched(layers, sources, os.fspath(path), _RULES, _fits)
    check_filled(layers, [blob for blob, _ in pairs], os.fspath(path), all_needed)
    with np.errstate(over="ignore", invalid="ignore"):  # doubles beyond float32 become infinite, as in Caffe
        for blob, values in pairs:
            blob.data.reshape(-1)[...] = values.data
            if values.diff is not None:
                blob.diff.reshape(-1)[...] = values.diff


def _fits(blob: Blob, source: StoredBlob) -> bool:
    return shape_fits(blob.shape, source.shape, source.legacy)


def write_model(
    path: str | os.PathLike[str], net_name: str, layers: Sequence[NetLayer], write_diff: bool = False
) -> None:
    """Write layers and parameters, and their gradients if asked; the file appears complete or not at all."""
    with replacing(Path(path)) as file:
        for chunk in _net_chunks(net_name, layers, write_diff):
            file.write(chunk)


def to_proto(net_name: str, layers: Sequence[NetLayer], write_diff: bool = False) -> NetParameter:
    """Return the net as `write_model` writes it."""
    return NetParameter.FromString(joined(_net_chunks(net_name, layers, write_diff)))


def _net_chunks(net_name: str, layers: Sequence[NetLayer], write_diff: bool) -> Iterator[Chunk]:
    """Chunks of a NetParameter with name and layers alone: all layers, inserted ones too, with their phase."""
    yield NetParameter(name=net_name).SerializeToString()
    for layer in layers:
        chunks: list[Chunk] = [_layer_header(layer.param).SerializeToString()]
        for blob in layer.blobs:
            chunks += nested(LAYER_BLOBS, chunks_of(blob, write_diff))
        yield from nested(NET_LAYER, chunks)


def _layer_header(param: LayerParameter) -> LayerParameter:
    """Return the layer's message without parameters, and without fields that no program's schema has."""
    header = LayerParameter()
    header.CopyFrom(param)
    del header.blobs[:]
    header.ClearField("own_fields")
    return header
