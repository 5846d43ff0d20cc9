"""A net that was imported, as two files: its prototxt and its caffemodel."""

from __future__ import annotations

from pathlib import Path

from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.stored import LAYER_BLOBS, NET_LAYER
from caffelite.core.weights.wire_write import Chunk, blob_chunks, nested
from caffelite.onnx_import.imported import Imported
from caffelite.proto.caffe_pb2 import NetParameter


def write_both(imported: Imported, prefix: str | Path) -> tuple[Path, Path]:
    """Write PREFIX.prototxt and PREFIX.caffemodel and return these names.

    Both are complete on disk before either takes its name. Raises WeightsError if the folder or the disk refuses.
    """
    prototxt, caffemodel = Path(f"{prefix}.prototxt"), Path(f"{prefix}.caffemodel")
    with replacing(prototxt) as text, replacing(caffemodel) as weights:
        text.write(imported.text().encode())
        weights.write(NetParameter(name=imported.net.name).SerializeToString())
        for param, blobs in imported.layers:
            chunks: list[Chunk] = [param.SerializeToString()]
            for blob in blobs:
                chunks += nested(LAYER_BLOBS, blob_chunks(blob.shape, blob))
            for chunk in nested(NET_LAYER, chunks):
                weights.write(chunk)
    return prototxt, caffemodel
