"""The items that a net is tested on: how many there are, what they are called, and how they look."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array, Blob
from caffelite.core.data.backends import open_records
from caffelite.core.data.database import Database, LabelledImages, find_database
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.source import Source
from caffelite.core.layers.data import DataLayer, backend_name
from caffelite.core.layers.hdf5_data import HDF5DataLayer
from caffelite.core.layers.image_data import ImageDataLayer
from caffelite.core.layers.shared.prefetching import PrefetchingLayer
from caffelite.core.layers.window_data import WindowDataLayer
from caffelite.core.net.net import Net

Ints = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]  # (H, W) grey or (H, W, 3), red first
MOST_SIDE = 96  # pixels of a picture's longer side in the page


class Item(NamedTuple):
    """One item: its name, "" without one, and its picture, None if it is no image."""

    name: str
    picture: Pixels | None


class Items(Protocol):
    """The items by their numbers, 0 being the first one of the first batch. `count` is None where nobody knows it.

    An item that comes again has the number that it had, or one of `count` or more.
    """

    count: int | None

    def numbers(self, first: int, count: int) -> Ints:
        """Return the numbers of the `count` items of the present batch, of which the first one has number `first`.

        The records of a database, the images of a list and windows have those of their places: some may have been left
        out.
        """

    def keep(self, item: int, place: int, margin: float) -> None:
        """Note that `item` is at `place` of the present batch, with the label's probability less the best other one."""

    def get(self, item: int) -> Item | None:
        """Return an item, None if it was not kept."""


class RecordItems:
    """The records that a layer reads, as they are stored: nothing has to be kept for them.

    `source` has them by position, apart from those that the layer reads ahead.
    """

    def __init__(self, layer: PrefetchingLayer, source: Source[LabelledImages], count: int) -> None:
        self._layer, self._source = layer, source
        self.count: int | None = count

    def numbers(self, first: int, count: int) -> Ints:
        """Return the positions of the records that the layer gave."""
        return np.array(self._layer.records)

    def keep(self, item: int, place: int, margin: float) -> None:
        """Do nothing."""

    def get(self, item: int) -> Item:
        """Read the record."""
        records = self._source.read(range(item, item + 1))
        return Item(records.keys[0].decode(errors="backslashreplace"), picture_of(records.images[0]))


class BlobItems:
    """What stands in a blob of the net, whose first axis counts the items, None if there is no such blob.

    `count` are the items until the first one comes again. Of the items noted as mistakes those are kept about which
    the net was most certain.
    """

    MOST = 200

    def __init__(self, blob: Blob | None, count: int | None = None) -> None:
        self.count = count
        self._blob = blob
        self._kept: dict[int, tuple[float, Pixels | None]] = {}

    def numbers(self, first: int, count: int) -> Ints:
        """Return numbers that go on."""
        return np.arange(first, first + count)

    def keep(self, item: int, place: int, margin: float) -> None:
        """Copy the picture of a mistake, in place of the least certain one if there are many."""
        if margin >= 0:
            return
        if len(self._kept) >= self.MOST:
            least = max(self._kept, key=lambda kept: self._kept[kept][0])
            if self._kept[least][0] <= margin:
                return
            del self._kept[least]
        self._kept[item] = margin, None if self._blob is None else picture_of(self._blob.data[place])

    def get(self, item: int) -> Item | None:
        """Return what was kept."""
        return Item("", self._kept[item][1]) if item in self._kept else None


class WindowItems(BlobItems):
    """The windows that a WindowData layer draws, with replacement, and in `blob` what it makes of them."""

    def __init__(self, layer: WindowDataLayer, blob: Blob | None) -> None:
        super().__init__(blob)
        self._layer = layer

    def numbers(self, first: int, count: int) -> Ints:
        """Return the numbers of the windows that the layer gave."""
        return np.array(self._layer.records)

    def get(self, item: int) -> Item:
        """Return a window's name, with what was kept."""
        kept = super().get(item)
        return Item(self._layer.loader.name_of(item), kept.picture if kept else None)


def items_of(net: Net, batch: int) -> Items:
    """Return the items of a net whose passes take `batch` of them; of several data layers the first one's."""
    for index, layer in enumerate(net.core_layers):
        if not isinstance(layer, PrefetchingLayer) or net.tops(index)[0][1].shape[0] != batch:
            continue
        if isinstance(layer, DataLayer):
            return _database_items(layer)
        if isinstance(layer, ImageDataLayer):
            return _listed_items(layer)
        if isinstance(layer, HDF5DataLayer):
            return BlobItems(_images(net, batch), layer.loader.source.count)
        if isinstance(layer, WindowDataLayer):
            return WindowItems(layer, _images(net, batch))
    return BlobItems(_images(net, batch))


def _images(net: Net, batch: int) -> Blob | None:
    """Return the first blob of `batch` images that a layer without bottoms gives, which then keeps its values."""
    for index in range(len(net.core_layers)):
        for _, blob in net.tops(index) if not net.bottoms(index) else ():
            if blob.num_axes == 4 and blob.shape[0] == batch and min(blob.shape[2:]) > 1:
                blob.pinned = True
                return blob
    return None


def _database_items(layer: DataLayer) -> RecordItems:
    source = layer.layer_param.data_param.source
    reader = open_records(find_database(source, layer.context.folder), backend_name(layer.layer_param.data_param))
    param = layer.layer_param.transform_param
    return RecordItems(
        layer, Database(reader, DatumReader(source, param.force_color, param.force_gray)), reader.count()
    )


def _listed_items(layer: ImageDataLayer) -> RecordItems:
    source = layer.images()
    return RecordItems(layer, source, source.count)


def picture_of(image: Array) -> Pixels | None:
    """Return an image (C, H, W), blue first if there are three channels, made smaller; None for another shape.

    Of values that are no bytes the least becomes black and the largest white. Of other numbers of channels than 3 the
    first is shown.
    """
    if image.ndim != 3 or min(image.shape[1:]) < 2:
        return None
    step = -(-max(image.shape[1:]) // MOST_SIDE)
    shown = image[::-1] if len(image) == 3 else image[:1]
    shown = shown[:, ::step, ::step].astype(np.float32)
    if image.dtype != np.uint8:
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        shown = np.nan_to_num((shown - low) * (255 / (high - low or 1.0)))
    pixels: Pixels = np.ascontiguousarray(shown.transpose(1, 2, 0).astype(np.uint8))
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
