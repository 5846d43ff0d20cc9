"""The records of LMDB and LevelDB databases: Datums, parsed and decoded by several threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.protobuf.message import DecodeError

from caffelite.core.data.datum import DatumReader, Label
from caffelite.core.data.plain_records import PlainRecords
from caffelite.core.errors import DataError, LayerError
from caffelite.databases.kinds import DatabaseKind, record_reader
from caffelite.databases.lmdb_leaves import read_leaves
from caffelite.databases.record import Labels, Record, format_of, key_text, unreadable
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
        self._reader, self.count = record_reader(path, kind)
        self._datums = datum_reader or DatumReader(str(path))
        self._plain = PlainRecords()
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self._at = 0  # what the reader reads next

    def facts(self) -> list[tuple[str, str]]:
        """Return nothing: all is in the records."""
        return []

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def portions(self, start: int, stop: int, pixels: bool = False) -> Iterator[list[Record]]:
        """Give records as Contents says.

        Of an LMDB database with damaged pages the other records are given, at places without those that are lost. A
        damaged page is a record of number 0: how many it had cannot be told.
        """
        size = FIRST_RECORDS
        while start < stop:
            count = min(size, stop - start)
            try:
                if self._at != start:
                    self._reader.seek(start)
                found = self._reader.read(count)
            except DataError as err:
                self._at = -1
                if self.kind == DatabaseKind.LMDB.value:
                    yield from self._salvaged(start, stop, pixels)
                else:
                    yield [unreadable(start, _short(err.message(), str(self.path)), stop - start)]
                return
            self._at = start + count
            yield self._described(start, found, pixels)
            start += count
            mean = max(1, sum(len(value) for _, value in found) // count)
            size = max(1, min(PORTION_BYTES // mean, MOST_RECORDS, 4 * size))

    def _salvaged(self, start: int, stop: int, pixels: bool) -> Iterator[list[Record]]:
        """Give what can be read from place `start` on; the pages before are read again to know where that is."""
        place, key = 0, ""
        for leaf in read_leaves(self.path):
            for found in leaf:
                if isinstance(found, DataError):
                    if start <= place <= stop:
                        where = f'records after "{key}"' if key else "the first records"
                        yield [Record(place, where, 0, problem=_short(found.message(), str(self.path)), number=0)]
                    continue
                if start <= place < stop:
                    yield self._described(place, [found], pixels)
                key = key_text(found[0])
                place += 1

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
