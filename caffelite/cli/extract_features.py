"""`caffelite extract_features`: blobs of a trained net as databases. Source: tools/extract_features.cpp."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    DATA_WORKERS,
    LAYERS,
    NO_PYTHON_LAYERS,
    ON_BAD_RECORD,
    data_workers,
    tell_no_reader,
)
from caffelite.core import mode
from caffelite.core.errors import UsageError
from caffelite.core.files import require_file

LOGGER = logging.getLogger("caffelite")


@command(
    "extract_features",
    "write blobs of a trained net to databases or HDF5 files",
    flags=(DATA_WORKERS, ON_BAD_RECORD, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    positionals="WEIGHTS NET BLOB[,BLOB] DB[,DB] NUM_BATCHES DB_TYPE [CPU|GPU [DEVICE]]",
)
def extract_features(arguments: Arguments) -> None:
    """Run NET, which reads its data itself, in phase TEST with WEIGHTS; write the items of each BLOB to its DB.

    NUM_BATCHES are the batches to run, of the net's batch_size items each. A DB is a new folder, DB_TYPE is lmdb
    or leveldb. With the DB_TYPE hdf5 it is a file, one for each BLOB or one for all: a BLOB is a dataset of its name
    with an item a row, as HDF5Data reads it. For example, the two last layers of a classifier, for 10 batches:

      caffelite extract_features net.caffemodel train_val.prototxt fc7,fc8 fc7_lmdb,fc8_lmdb 10 lmdb
    """
    weights, model, blobs, databases, batches, backend, *device = arguments.positionals
    for name in (weights, model):
        require_file(name)
    if device[:1] == ["GPU"]:
        mode.set_mode_gpu()
    LOGGER.error("Using CPU")
    if not batches.isascii() or not batches.isdigit():
        raise UsageError(f'NUM_BATCHES is "{batches}"; write a whole number')
    workers = data_workers(arguments)
    from caffelite.tools.extract_features import extract_features

    with glog.setting_up(), counting("batches") as progress:
        extract_features(
            weights,
            model,
            blobs.split(","),
            [Path(name) for name in databases.split(",")],
            int(batches),
            backend,
            progress,
            python_layers=not arguments[NO_PYTHON_LAYERS],
            data_workers=workers,
            on_bad_record=arguments[ON_BAD_RECORD],
            set_up=lambda net: tell_no_reader(arguments, [net]),
        )
