"""Data: images and labels from a database. Source: src/caffe/layers/data_layer.cpp, base_data_layer.cpp."""

from __future__ import annotations

import logging
from pathlib import Path

from caffelite.core.data.batch import Batch, BatchLoader
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.prefetch import Prefetcher
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import DataError, LayerError
from caffelite.core.layer import Blobs, Layer, State, register_layer
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")


@register_layer("Data")
class DataLayer(Layer):
    """Read batches of records in the order of the database, for ever; a thread reads `prefetch` batches ahead.

    top[0]: (batch_size, C, H, W), or crop_size instead of H and W; the first record of each batch decides.
    top[1]: (batch_size) labels; may be left out.

    In TRAIN several solvers share the records out; in TEST each gets all. The position is kept in the layer's state,
    so that a resumed run goes on with the next record (Caffe starts again).

    Raises LayerError for a batch_size or prefetch of 0, a backend other than LMDB, a source that cannot be opened, and
    images that do not fit together; DataError for a record that cannot be read, when its batch is due.
    """

    exact_num_bottom_blobs = 0
    min_top_blobs = 1
    max_top_blobs = 2
    has_backward = False

    _prefetcher: Prefetcher[Batch] | None = None  # while it reads ahead

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Open the database and shape the tops by its first record; reading ahead begins with the first forward."""
        param = self.layer_param.data_param
        _check(param)
        self._position = 0
        self._loader = self._open(param.source)
        shape = (param.batch_size, *self._loader.image_shape())
        top[0].reshape(*shape)
        if len(top) > 1:
            top[1].reshape(param.batch_size)
        log.info("output data size: %s", ",".join(map(str, shape)))

    def _open(self, source: str) -> BatchLoader:
        param, context = self.layer_param.transform_param, self.context
        is_root = context.solver_rank == 0
        try:
            reader = LmdbReader(self._find(source), log_restart=is_root)
        except DataError as err:
            raise LayerError("data_param.source", f'"{source}"', str(err)) from None
        if is_root:
            log.info("Opened lmdb %s", source)
        transformer = DataTransformer(param, self.phase, context, self.name)
        datum_reader = DatumReader(source, param.force_color, param.force_gray)
        if self.phase == caffe_pb2.TRAIN:
            return BatchLoader(reader, datum_reader, transformer, context.solver_rank, context.solver_count)
        return BatchLoader(reader, datum_reader, transformer)

    def _find(self, source: str) -> Path:
        """Return where the database is, made if it comes with caffelite; LayerError if it is missing."""
        path, tried = self.context.resolve(source)
        if path.exists():
            return path
        from caffelite import datasets  # a layer above this one; asked only when a path leads nowhere

        if datasets.make_if_included(source):
            return path
        places = " and ".join(f'"{place}"' for place in tried)
        command = datasets.command_for(source)
        advice = f"make it with `{command}`" if command else "an LMDB folder is expected"
        raise LayerError(
            "data_param.source", f'"{source}"', f"No such file or directory; {advice} (looked for {places})"
        )

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: each batch shapes the tops."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy the next batch into the tops."""
        if self._prefetcher is None:
            self._prefetcher = self._start()
        with self._prefetcher.batch() as batch:
            top[0].reshape(*batch.data.shape)
            top[0].data[...] = batch.data.data
            if len(top) > 1:
                top[1].reshape(*batch.label.shape)
                top[1].data[...] = batch.label.data
            self._position = batch.position

    def _start(self) -> Prefetcher[Batch]:
        param = self.layer_param.data_param
        batches = [Batch(self.new_blob(), self.new_blob((param.batch_size,))) for _ in range(param.prefetch)]
        return Prefetcher(self._loader.load, batches)

    def get_state(self) -> State:
        """Return how many records were passed; those that were read ahead but not used do not count."""
        return {"position": self._position}

    def set_state(self, state: State) -> None:
        """Go on with the record after those that were passed."""
        self.close()
        self._position = int(state["position"])
        self._loader.seek(self._position)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._prefetcher = None


def _check(param: caffe_pb2.DataParameter) -> None:
    if param.backend != caffe_pb2.DataParameter.LMDB:
        given = "LEVELDB" if param.HasField("backend") else "LEVELDB (Caffe's default)"
        raise LayerError(
            "data_param.backend", given, "only LMDB can be read: write `backend: LMDB`, for an LMDB folder"
        )
    if param.batch_size < 1:
        raise LayerError("data_param.batch_size", param.batch_size, "use 1 or more")
    if param.prefetch < 1:
        raise LayerError("data_param.prefetch", param.prefetch, "use 1 or more batches (4 if left out)")
