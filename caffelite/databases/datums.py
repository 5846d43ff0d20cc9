"""The records of LMDB and LevelDB databases: Datums, parsed and decoded by several threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.protobuf.message import DecodeError

from caffelite.core.data.datum import DatumReader, Label
from caffelite.core.data.plain_records import PlainRecords
from caffelite.core.errors import DataError, LayerError
from caffelite.databases.kinds import DatabaseKind, record_reader
from caffelite.databases.leveldb_salvage import read_past_damage
from caffelite.databases.lmdb_leaves import read_leaves
from caffelite.databases.record import Labels, Record, format_of, key_text
from caffelite.databases.salvage import Found, Salvage
from caffelite.proto import caffe_pb2

PORTION_BYTES = 4 << 20  # of values that are read at once, about
MOST_RECORDS = 2048  # of one portion
FIRST_RECORDS = 16  # before the size of a record is known


class Datums:
    """The records of a database of Datums; see Contents. DataError if it cannot be opened.

    `datum_reader` says how encoded images are decoded; by default, as they are.
    """

    def __init__(self, path: Path, kind: DatabaseKind, datum_reader: DatumReader | None = None) -> None:
        self.path, self.kind = path, kind.value
        self.broken: list[tuple[str, str]] = []
        self._salvage = Salvage(lambda: SALVAGES[kind](path))
        self._damaged = False
        try:
            self._reader, self.count = record_reader(path, kind)
        except DataError:  # LevelDB has to read all to know how many records there are
            self.count = self._salvage.count() if kind is DatabaseKind.LEVELDB else 0
            if not self.count:
                raise
            self._damaged = True
        self._datums = datum_reader or DatumReader(str(path))
        self._plain = PlainRecords()
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self._at = 0  # what the reader reads next

    def facts(self) -> list[tuple[str, str]]:
        """Return nothing: all is in the records."""
        return []

    def close(self) -> None:
        """End the threads, and close the database."""
        self._threads.shutdown(cancel_futures=True)
        self._salvage.close()

    def portions(self, start: int, stop: int, pixels: bool = False) -> Iterator[list[Record]]:
        """Give records as Contents says.

        Of a damaged database the other records are given, at places without those that are lost. A damaged page or
        block is a record of number 0: how many it had cannot be told.
        """
        size = FIRST_RECORDS
        while start < stop and not self._damaged:
            count = min(size, stop - start)
            try:
                if self._at != start:
                    self._reader.seek(start)
                found = self._reader.read(count)
            except DataError:
                self._damaged = True
                break
            self._at = start + count
            yield self._described(start, found, pixels)
            start += count
            mean = max(1, sum(len(value) for _, value in found) // count)
            size = max(1, min(PORTION_BYTES // mean, MOST_RECORDS, 4 * size))
        if self._damaged:
            yield from self._salvaged(start, stop, pixels)

    def _salvaged(self, start: int, stop: int, pixels: bool) -> Iterator[list[Record]]:
        for place, before, found in self._salvage.between(start, stop):
            if isinstance(found, DataError):
                where = f'records after "{key_text(before)}"' if before else "the first records"
                yield [Record(place, where, 0, problem=_short(found.message(), str(self.path)), number=0)]
            else:
                yield self._described(place, [found], pixels)

    def _described(self, start: int, found: list[tuple[bytes, bytes]], pixels: bool) -> list[Record]:
        values = [value for _, value in found]
        plain = None if self._datums.forces_channels else self._plain.read(values)
        if plain is not None:
            images, labels = plain
            shape = tuple(images.shape[1:])
            return [
                Record(place, key_text(key), len(value), shape, "uint8", _labels(label), image if pixels else None)
                for place, ((key, value), label, image) in enumerate(zip(found, labels, images, strict=True), start)
            ]
        places = range(start, start + len(found))
        return list(self._threads.map(lambda place, record: self._one(place, record, pixels), places, found))

    def _one(self, place: int, record: tuple[bytes, bytes], pixels: bool) -> Record:
        key, value = record
        try:
            image, label = self._datums.read(key, value)
        except (DataError, LayerError) as err:
            return Record(
                place, key_text(key), len(value), problem=_short(err.message(), str(self.path), key_text(key))
            )
        form = _form(value) or str(image.dtype)
        shown = image if pixels else None
        return Record(place, key_text(key), len(value), tuple(image.shape), form, _labels(label), shown)


def _read_all_leaves(path: Path) -> Iterator[Found]:
    for leaf in read_leaves(path):
        yield from leaf


SALVAGES: dict[DatabaseKind, Callable[[Path], Iterator[Found]]] = {
    DatabaseKind.LMDB: _read_all_leaves,
    DatabaseKind.LEVELDB: read_past_damage,
}


def _labels(label: Label) -> Labels:
    return label if isinstance(label, tuple) else (label,)


def _form(value: bytes) -> str:
    """Return the format of an encoded record; "" for another."""
    try:
        datum = caffe_pb2.Datum.FromString(value)
    except DecodeError:
        return ""
    return format_of(datum.data) if datum.encoded else ""


def _short(message: str, path: str, key: str = "") -> str:
    """Return a message without the path and the key that it begins with."""
    return message.removeprefix(f"{path}: ").removeprefix(f'record "{key}": ')
