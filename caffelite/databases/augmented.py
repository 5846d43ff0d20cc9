"""Records as a net's data layer makes them: cropped, mirrored, augmented; mean and scale undone, to be looked at."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffelite.core import random
from caffelite.core.blob import Array
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import LayerError, UsageError
from caffelite.core.files import NoSuchFileError, find_file
from caffelite.core.format import shape_string
from caffelite.core.layer import Context, layer_type_list, make_layer
from caffelite.core.layers.shared.transforming import transformer_of
from caffelite.core.net.plan import with_location
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import included
from caffelite.core.net.wiring.state import with_caller_state, with_phase
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.solver.file import read_solver_file
from caffelite.core.solver.nets import NetMaker
from caffelite.databases.datums import Datums
from caffelite.databases.kinds import DatabaseKind, kind_of_database
from caffelite.databases.record import Record
from caffelite.databases.rows import Rows
from caffelite.proto.caffe_pb2 import TRAIN

log = logging.getLogger("caffelite")

IMAGE_AXES = 3
SOURCES = {"Data": "data_param", "HDF5Data": "hdf5_data_param"}  # types of layers, and the message that names a source


class NetFile(NamedTuple):
    """The net to train: its layers, the folder of its file, and the seed of its draws (None: another in each run)."""

    draft: Draft
    folder: Path | None
    seed: int | None

    @classmethod
    def of_solver(cls, path: Path) -> NetFile:
        """Return the net that a solver trains, with its random_seed."""
        file = read_solver_file(path)
        draft, folder = NetMaker(file, 0, np.dtype(np.float32), 0, 1).train_source()
        return cls(draft, folder, file.param.random_seed if file.param.random_seed >= 0 else None)

    @classmethod
    def of_model(cls, path: Path) -> NetFile:
        """Return the net of a prototxt, in phase TRAIN."""
        param, lines, notes = load_net(path, layer_type_list())
        log_notes(notes)
        return cls(Draft.of(with_caller_state(param, TRAIN), lines), path.parent, None)


class DataLayerInput:
    """What a net's data layer makes of the records of a database, whose pixels it shows again.

    layer: the name of the layer. batch_size: its records in each batch. Raises UsageError if the net has no layer that
    could read such a database, DataError for a database, LayerError for fields of the layer that cannot be used.
    """

    def __init__(self, path: Path, net: NetFile) -> None:
        kind = kind_of_database(path)
        index = _find_layer(path, kind, net)
        self._message, self._place = net.draft.layers[index], net.draft.places[index]
        self.layer = self._message.name
        self.batch_size: int = getattr(self._message, SOURCES[self._message.type]).batch_size
        seed = random.process_seed() if net.seed is None else net.seed
        with self._located():
            layer = make_layer(with_phase(self._message, net.draft.param.state), Context(seed, folder=net.folder))
            self._transformer: DataTransformer = transformer_of(layer)
        param = self._message.transform_param
        self.contents: Datums | Rows = (
            Rows(path)
            if kind is DatabaseKind.HDF5
            else Datums(path, kind, DatumReader(str(path), param.force_color, param.force_gray))
        )
        self._dtype = layer.dtype

    @contextmanager
    def _located(self) -> Iterator[None]:
        try:
            yield
        except LayerError as err:
            raise with_location(err, self._message, self._place) from None

    def pictures(self, start: int, stop: int) -> Iterator[Record]:
        """Give the records from `start` to before `stop`, their pixels (C, H, W) uint8 as the net sees them.

        Records that cannot be read keep their problem. Positions beyond the last record are those of the next round,
        in which the same records are changed otherwise.
        """
        count = self.contents.count
        while start < stop:
            first = start % count
            last = min(count, first + stop - start)
            for portion in self.contents.portions(first, last, pixels=True):
                for record in portion:
                    yield self._changed(record, start)
                    start += record.number

    def _changed(self, record: Record, position: int) -> Record:
        image = record.pixels
        if image is None:
            return record
        if image.ndim != IMAGE_AXES:
            raise UsageError(f'"{self.layer}" reads rows of {shape_string(image.shape)}, which are no images')
        with self._located():
            out: Array = np.empty((1, *self._transformer.shape_of(image.shape)), self._dtype)
            self._transformer.transform(image, position, out[0])
            picture = self._transformer.pictures(out, [position])[0]
        return record._replace(pixels=picture.transpose(2, 0, 1), shape=tuple(out.shape[1:]))


def _find_layer(path: Path, kind: DatabaseKind, net: NetFile) -> int:
    """Return the number of the data layer that reads `path`, or else of the first that reads databases of its kind."""
    wanted = "HDF5Data" if kind is DatabaseKind.HDF5 else "Data"
    found = [
        index
        for index, layer in enumerate(net.draft.layers)
        if layer.type == wanted and included(layer, net.draft.param.state)
    ]
    if not found:
        raise UsageError(f"the net has no {wanted} layer in phase TRAIN, which could read {path}")
    for index in found:
        source = getattr(net.draft.layers[index], SOURCES[wanted]).source
        try:
            if find_file(source, net.folder).resolve() == path.resolve():
                return index
        except NoSuchFileError:
            continue
    layer = net.draft.layers[found[0]]
    log.warning(
        'no %s layer of the net reads %s: it is shown as layer "%s" would read it, whose source is %s',
        wanted,
        path,
        layer.name,
        getattr(layer, SOURCES[wanted]).source,
    )
    return found[0]
