"""Blobs of a trained net as databases or HDF5 files. Source: tools/extract_features.cpp."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from caffelite.core.blob import Blob
from caffelite.core.errors import UsageError
from caffelite.core.net.reading import readers, skipped_texts
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.tools.backend import Progress
from caffelite.tools.feature_writers import FeatureWriter, check_axes, check_features, creating_features

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
    data_workers: int | None = None,
    on_bad_record: str = "stop",
    set_up: Callable[[Net], None] = lambda net: None,
) -> None:
    """Run a net in phase TEST for `batches` batches, and write each item of the blobs `names` to their databases.

    A record is a Datum of float_data without a label, (channels, height, width) of the blob; its key is the item's
    number, of ten digits. With the backend "hdf5" the databases are files, one for each blob or one for all, in which
    a blob is a dataset of its name, its items the rows. The net reads its data itself, and begins again behind the
    last; `data_workers` and `on_bad_record` are as of Net, and records that are left out have no number. `set_up` is
    called with the net. Raises UsageError for names, numbers or databases that do not fit together; all databases are
    made or none.
    """
    _check(names, databases, batches, backend)
    net = Net(
        model,
        caffe_pb2.TEST,
        python_layers=python_layers,
        data_workers=data_workers,
        on_bad_record=on_bad_record,
    )
    try:
        set_up(net)
        net.copy_from(weights)
        blobs = [_blob(net, name, model, backend) for name in names]  # looked up here, so that the plan fills them
        log.error("Extracting Features")  # Caffe's level for all that it tells here
        with creating_features(names, databases, backend) as writers:
            for batch in range(batches):
                net.context.passes = batch
                net.forward_pass()
                for name, blob, writer in zip(names, blobs, writers, strict=True):
                    _put(name, blob, writer)
                progress(batch + 1, batches)
            for name, writer in zip(names, writers, strict=True):
                if writer.count % RECORDS_PER_LINE:
                    _tell(name, writer.count)
        for text in skipped_texts(readers([net])):
            log.warning("%s", text)
    finally:
        net.close()
    log.error("Successfully extracted the features!")


def _check(names: Sequence[str], databases: Sequence[Path], batches: int, backend: str) -> None:
    check_features(names, databases, backend)
    if batches < 1:
        raise UsageError(f"{batches} batches have no features; use 1 or more")


def _blob(net: Net, name: str, model: str, backend: str) -> Blob:
    if name not in net.blob_names:
        raise UsageError(f"Unknown feature blob name {name} in the network {model}{did_you_mean(name, net.blob_names)}")
    blob = net.blobs[name]
    check_axes(name, blob, backend)
    return blob


def _put(name: str, blob: Blob, writer: FeatureWriter) -> None:
    before = writer.count
    writer.put(blob)
    for count in range(before // RECORDS_PER_LINE + 1, writer.count // RECORDS_PER_LINE + 1):
        _tell(name, count * RECORDS_PER_LINE)


def _tell(name: str, count: int) -> None:
    log.error("Extracted features of %d query images for feature blob %s", count, name)
