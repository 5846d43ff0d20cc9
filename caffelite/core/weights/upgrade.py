"""Caffemodels of 2013 and 2014 to today's form; the values pass from file to file unread.

Source: tools/upgrade_net_proto_binary.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.upgrade import upgrade_net
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.stored import (
    LAYER_BLOBS,
    NET_LAYER,
    NET_V1_LAYER,
    V0_BLOBS,
    V1_BLOBS,
    V1_V0_LAYER,
    stored_layers,
)
from caffelite.core.weights.wire import LENGTH, Field, WireFile
from caffelite.core.weights.wire_write import Chunk, joined, nested
from caffelite.proto.caffe_pb2 import BlobProto, LayerParameter, NetParameter


class OldWeights:
    """A caffemodel and what it is upgraded to; `notes` as of upgrade_net: none if it is in today's form.

    Raises WeightsError for a damaged file, PrototxtError where an upgrade is impossible.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = WireFile(path, "caffemodel")
        if not any(True for _ in stored_layers(self._file)):
            raise self._file.damaged("it holds no layers")
        self._blobs: list[Field] = []
        # Of each blob the net gets only a number, so that upgrading moves no values.
        self._stored = net = self._parsed(joined(self._without_blobs()))
        try:
            self._net, _, self.notes = upgrade_net(net, Lines(str(path), {}))
        except UnicodeDecodeError as err:
            raise self._file.damaged(f"a text in it is not UTF-8: {err.object!r}") from None

    def net(self, upgraded: bool) -> NetParameter:
        """Return the net without its blobs, as it was stored or in today's form."""
        net = NetParameter()
        net.CopyFrom(self._net if upgraded else self._stored)
        for layer in net.layer:
            del layer.blobs[:]
        for old in net.layers:
            del old.blobs[:], old.layer.blobs[:]
            if not old.layer.ListFields():
                old.ClearField("layer")
        return net

    def _parsed(self, data: bytes) -> NetParameter:
        try:
            return NetParameter.FromString(data)
        except DecodeError as err:
            raise self._file.damaged(str(err)) from None

    def _without_blobs(self) -> Iterator[Chunk]:
        start = 0
        for field in self._file.fields():
            if field.kind == LENGTH and field.number == NET_LAYER:
                yield from nested(NET_LAYER, list(self._layer(field, LAYER_BLOBS)))
            elif field.kind == LENGTH and field.number == NET_V1_LAYER:
                yield from nested(NET_V1_LAYER, list(self._layer(field, V1_BLOBS)))
            else:
                yield self._file.buffer[start : field.end]
            start = field.end

    def _layer(self, layer: Field, blobs: int) -> Iterator[Chunk]:
        start = layer.start
        for field in self._file.fields(layer.start, layer.end):
            if field.kind == LENGTH and field.number == blobs:
                number = BlobProto(num=len(self._blobs)).SerializeToString()
                self._blobs.append(field)
                yield from nested(blobs, [number])
            elif field.kind == LENGTH and field.number == V1_V0_LAYER and blobs == V1_BLOBS:
                yield from nested(V1_V0_LAYER, list(self._layer(field, V0_BLOBS)))
            else:
                yield self._file.buffer[start : field.end]
            start = field.end

    def write(self, path: str | Path) -> None:
        """Write the upgraded net with the blobs as they were; the file appears complete or not at all."""
        with replacing(path) as out:
            for chunk in self._chunks():
                out.write(chunk)

    def _chunks(self) -> Iterator[Chunk]:
        net = NetParameter()
        net.CopyFrom(self._net)
        del net.layer[:]
        yield net.SerializeToString()
        whole = memoryview(self._file.buffer)
        for layer in self._net.layer:
            header = LayerParameter()
            header.CopyFrom(layer)
            del header.blobs[:]
            chunks: list[Chunk] = [header.SerializeToString()]
            for blob in layer.blobs:
                field = self._blobs[blob.num]
                chunks += nested(LAYER_BLOBS, [whole[field.start : field.end]])
            yield from nested(NET_LAYER, chunks)
