"""HDF5Data: rows of datasets in HDF5 files. Source: src/caffe/layers/hdf5_data_layer.cpp."""

from __future__ import annotations

import logging
from typing import Any

from caffelite.core.data.hdf5_files import find_hdf5_files, open_hdf5_files
from caffelite.core.data.hdf5_list import find_hdf5_list, read_hdf5_list
from caffelite.core.data.hdf5_rows import DatasetRows, Hdf5Rows
from caffelite.core.data.hdf5_source import Hdf5Source
from caffelite.core.data.row_batches import RowBatches
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import DataError, LayerError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, State, register_layer
from caffelite.core.layers.shared.prefetching import PrefetchingLayer, check_prefetch
from caffelite.core.layers.shared.transforming import OURS, draws_key, transformer_of
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

IMAGE_AXES = 4


@register_layer("HDF5Data")
class HDF5DataLayer(PrefetchingLayer):
    """Read batches of rows from HDF5 files, for ever; a thread reads `prefetch` batches ahead.

    top[i]: (batch_size, ...): rows of the dataset named like the top, whatever axes follow its first one. Integers and
    floats of any width become the net's number type; several labels a row are a dataset (rows, k).

    `source` lists the files, which are looked for from the working directory (Caffe's rule), beside the list, and
    beside the prototxt. Row follows row and file follows file, and after the last the first again, also within a batch.
    With `shuffle` the files and the rows of each file have another order in each round, drawn from the seed; rows of
    different files are not mixed. Rows are read by slices, never a whole file, except that shuffled rows are fetched
    64 MB at a time. In TRAIN several solvers share the rows out; in TEST each gets all. The position is kept in the
    layer's state (Caffe starts again).

    A row that cannot be read ends the run, or, where the context says on_bad_record "skip", is left out and counted:
    the next rows move up. HDF5 reads whole chunks, so that all rows of a damaged one are lost.

    transform_param, which Caffe refuses here, makes the first top, of a dataset (rows, channels, height, width), as in
    a Data layer: the other tops stay as they are, so that crop and mirror are refused if one of them is an image, too.

    Raises LayerError for a batch_size or prefetch of 0, for a list, file or dataset that is missing or cannot be used,
    and for files that do not fit together; DataError for a row that cannot be read, when its batch is due.
    """

    messages = ("hdf5_data_param", "transform_param")
    formula = "y = the next {hdf5_data_param.batch_size} rows of the HDF5 files listed in {hdf5_data_param.source}"
    not_read = {
        "transform_param.force_color": "it is for encoded images, of Data layers",
        "transform_param.force_gray": "it is for encoded images, of Data layers",
    }
    min_top_blobs = 1
    decodes = False
    loader: RowBatches

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Look at all files and shape the tops; reading begins with the first forward."""
        param = self.layer_param.hdf5_data_param
        check_hdf5_data_param(param)
        self.batches_ahead = param.prefetch
        try:
            files = self._files(param.source)
        except DataError as err:
            raise LayerError("hdf5_data_param.source", f'"{param.source}"', str(err)) from None
        shapes = [dataset.row_shape for dataset in files[0].datasets]
        self._transformer = self._image_transformer(files[0].datasets)
        if self._transformer is not None:
            shapes[0] = self._transformer.shape_of(shapes[0])
        for blob, shape in zip(top, shapes, strict=True):
            blob.reshape(param.batch_size, *shape)
        skip = self.context.on_bad_record == "skip"
        source = Hdf5Source(files, param.shuffle, self.context.seed, self.name, skip)
        self.loader = RowBatches(source, self._transformer, shapes, param.batch_size, *self.share)

    def _files(self, source: str) -> list[Hdf5Rows]:
        is_root = self.context.solver_rank == 0
        list_path = find_hdf5_list(source, self.context.folder)
        if is_root:
            log.info("Loading list of HDF5 filenames from: %s", source)
        names = read_hdf5_list(list_path)
        if is_root:
            log.info("Number of HDF5 files: %d", len(names))
        return open_hdf5_files(find_hdf5_files(names, list_path, self.context.folder), list(self.layer_param.top))

    def _image_transformer(self, datasets: list[DatasetRows]) -> DataTransformer | None:
        """Return what makes the first top; None without transform_param, LayerError if that top is no image."""
        if not self.layer_param.HasField("transform_param"):
            return None
        first, *others = datasets
        if len(first.row_shape) != IMAGE_AXES - 1:
            raise LayerError(
                "transform_param",
                f'for the first top, "{first.name}", whose rows are {shape_string(first.row_shape)}',
                "it is for images, a dataset (rows, channels, height, width): name that top first, or leave "
                "transform_param out (Caffe says: HDF5Data does not transform data.)",
            )
        param = self.layer_param.transform_param
        moving = [field.name for field, value in param.ListFields() if value and _moves(field)]
        for other in others:
            if moving and len(other.row_shape) == IMAGE_AXES - 1 and max(other.row_shape[1:]) > 1:
                raise LayerError(
                    f"transform_param.{moving[0]}",
                    getattr(param, moving[0]),
                    f'it would move the pixels of "{first.name}" alone, and "{other.name}" is an image, too; leave it '
                    "out, or read one of them with a layer of its own",
                )
        return transformer_of(self)

    def set_state(self, state: State) -> None:
        """Go on with the row after those that were passed, with the draws of the run that passed them."""
        self.close()
        if self._transformer is not None:
            self._transformer.key = draws_key(self)
        self.loader.source.set_seed(self.context.seed)
        super().set_state(state)

    def close(self) -> None:
        """Stop reading ahead and close the file."""
        super().close()
        if hasattr(self, "loader"):
            self.loader.source.close()


def _moves(field: Any) -> bool:
    """Whether a field of transform_param gives pixels other places; of our own, all are taken to."""
    return field.name in ("crop_size", "mirror") or field.number >= OURS


def check_hdf5_data_param(param: caffe_pb2.HDF5DataParameter) -> None:
    """Raise LayerError for a number that cannot be used, whether the data are there or not."""
    if param.batch_size < 1:
        raise LayerError("hdf5_data_param.batch_size", param.batch_size, "use 1 or more")
    check_prefetch("hdf5_data_param", param.prefetch)
