"""Blobs of a trained net as databases. Source: tools/extract_features.cpp."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from caffelite.core.blob import Blob
from caffelite.core.data.datum import float_datum
from caffelite.core.data.lmdb_writer import LmdbWriter, creating_lmdb
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.tools.backend import Progress, require_lmdb, require_new

log = logging.getLogger("caffelite")

RECORDS_PER_LINE = 1000  # of the log


def extract_features(
    weights: str,
    model: str,
    names: Sequence[str],
    databases: Sequence[Path],
    batches: int,
    backend: str,
    progress: Progress,
    python_layers: bool = True,
) -> None:
    """Run a net in phase TEST for `batches` batches, and write each item of the blobs `names` to their databases.

    A record is a Datum of float_data without a label, (channels, height, width) of the blob; its key is the item's
    number, of ten digits. The net reads its data itself, and begins again behind the last. Raises UsageError for
    names, numbers or databases that do not fit together; all databases are made or none.
    """
    _check(names, databases, batches, backend)
    net = Net(model, caffe_pb2.TEST, python_layers=python_layers)
    try:
        net.copy_from(weights)
        blobs = [_blob(net, name, model) for name in names]  # looked up here, so that the plan fills them
        with ExitStack() as stack:
            log.error("Extracting Features")  # Caffe's level for all that it tells here
            writers = [stack.enter_context(creating_lmdb(database)) for database in databases]
            for batch in range(batches):
                net.context.passes = batch
                net.forward_pass()
                for name, blob, writer in zip(names, blobs, writers, strict=True):
                    _put(name, blob, writer)
                progress(batch + 1, batches)
            for name, writer in zip(names, writers, strict=True):
                if writer.count % RECORDS_PER_LINE:
                    _tell(name, writer)
    finally:
        net.close()
    log.error("Successfully extracted the features!")


def _check(names: Sequence[str], databases: Sequence[Path], batches: int, backend: str) -> None:
    require_lmdb(backend)
    if len(names) != len(databases):
        raise UsageError(
            f"the number of blobs ({len(names)}) and of databases ({len(databases)}) must be equal; both are listed "
            "with commas"
        )
    if len({database.absolute() for database in databases}) < len(databases):
        raise UsageError("two blobs cannot go to one database; give each its own")
    for database in databases:
        require_new(database)
    if batches < 1:
        raise UsageError(f"{batches} batches have no features; use 1 or more")


def _blob(net: Net, name: str, model: str) -> Blob:
    if name not in net.blob_names:
        raise UsageError(f"Unknown feature blob name {name} in the network {model}{did_you_mean(name, net.blob_names)}")
    blob = net.blobs[name]
    if blob.num_axes > 4:
        raise UsageError(f'the blob "{name}" has {blob.num_axes} axes; a Datum has channels, height and width')
    return blob


def _put(name: str, blob: Blob, writer: LmdbWriter) -> None:
    items = blob.data.reshape(blob.num, blob.channels, blob.height, blob.width)
    for values in items:
        writer.put(b"%010d" % writer.count, float_datum(values))
        if writer.count % RECORDS_PER_LINE == 0:
            _tell(name, writer)


def _tell(name: str, writer: LmdbWriter) -> None:
    log.error("Extracted features of %d query images for feature blob %s", writer.count, name)
