"""Data: images and labels from a database. Source: src/caffe/layers/data_layer.cpp, base_data_layer.cpp."""

from __future__ import annotations

import logging

from caffelite.core.data.backends import NAMES, backend_of, open_records
from caffelite.core.data.batch import ImageBatches
from caffelite.core.data.database import Database, find_database
from caffelite.core.data.datum import DatumReader
from caffelite.core.errors import DataError, LayerError
from caffelite.core.layer import Blobs, State, register_layer
from caffelite.core.layers.shared.prefetching import PrefetchingLayer, check_prefetch
from caffelite.core.layers.shared.transforming import draws_key, transformer_of
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")


@register_layer("Data")
class DataLayer(PrefetchingLayer):
    """Read batches of records in the order of the database, for ever; threads fill `prefetch` batches ahead.

    top[0]: (batch_size, C, H, W), or crop_size instead of H and W; the first record of each batch decides.
    top[1]: (batch_size) labels, or (batch_size, k) of records that have k labels each; may be left out.

    In TRAIN several solvers share the records out; in TEST each gets all. The position is kept in the layer's state,
    so that a resumed run goes on with the next record (Caffe starts again).

    A record that cannot be read ends the run, or, where the context says on_bad_record "skip", is left out and counted:
    the next one takes its place, of several solvers the next one of the same solver. What was left out before is in the
    state, too.

    Raises LayerError for a batch_size or prefetch of 0, a backend that the source is not of, a source that cannot be
    opened, and images that do not fit together; DataError for a record that cannot be read, when its batch is due.
    """

    messages = ("data_param", "transform_param")
    formula = (
        "y = (record - mean) * {transform_param.scale:g}, cropped and mirrored as transform_param says; "
        "{data_param.batch_size} records of {data_param.source} in each pass"
    )
    not_read = {
        "data_param.scale": "write transform_param.scale",
        "data_param.mean_file": "write transform_param.mean_file",
        "data_param.crop_size": "write transform_param.crop_size",
        "data_param.mirror": "write transform_param.mirror",
        "data_param.force_encoded_color": "write transform_param.force_color",
        "data_param.rand_skip": "no record is skipped, as in Caffe",
    }
    min_top_blobs = 1
    max_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Open the database and shape the tops by its first record; reading ahead begins with the first forward."""
        param = self.layer_param.data_param
        check_data_param(param)
        self.batches_ahead = param.prefetch
        self._transformer = transformer_of(self)
        skip = self.context.on_bad_record == "skip"
        self.loader = ImageBatches(self._open(param.source), self._transformer, param.batch_size, *self.share, skip)
        shape = (param.batch_size, *self.loader.image_shape())
        top[0].reshape(*shape)
        if len(top) > 1:
            top[1].reshape(*self.loader.label_shape)
        log.info("output data size: %s", ",".join(map(str, shape)))

    def _open(self, source: str) -> Database:
        is_root = self.context.solver_rank == 0
        backend = backend_name(self.layer_param.data_param)
        try:
            folder = find_database(source, self.context.folder)
            found = backend_of(folder)
            if found and found != backend:
                raise _wrong_backend(self.layer_param.data_param, f'"{source}" is {NAMES[found]} folder', found)
            reader = open_records(folder, backend, log_restart=is_root)
        except DataError as err:
            raise LayerError("data_param.source", f'"{source}"', str(err)) from None
        if is_root:
            log.info("Opened %s %s", backend, source)
        param = self.layer_param.transform_param
        return Database(reader, DatumReader(source, param.force_color, param.force_gray))

    def set_state(self, state: State) -> None:
        """Go on with the record after those that were passed, with the draws of the run that passed them."""
        self._transformer.key = draws_key(self)
        super().set_state(state)


def check_data_param(param: caffe_pb2.DataParameter) -> None:
    """Raise LayerError for a backend or number that cannot be used, whether the database is there or not."""
    if not param.HasField("backend") and param.source.lower().endswith("lmdb"):
        raise _wrong_backend(param, f'the source is "{param.source}"', "lmdb")
    if param.batch_size < 1:
        raise LayerError("data_param.batch_size", param.batch_size, "use 1 or more")
    check_prefetch("data_param", param.prefetch)


def backend_name(param: caffe_pb2.DataParameter) -> str:
    """Return the backend as the tools call it, "lmdb" or "leveldb"."""
    return caffe_pb2.DataParameter.DB.Name(param.backend).lower()


def _wrong_backend(param: caffe_pb2.DataParameter, why: str, right: str) -> LayerError:
    given = backend_name(param).upper()
    if not param.HasField("backend"):
        given += " (Caffe's default)"
    return LayerError("data_param.backend", given, f"{why}: write `backend: {right.upper()}`")
