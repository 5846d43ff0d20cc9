"""Image databases as a source of pixels and labels. Source: src/caffe/layers/data_layer.cpp, src/caffe/util/db.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from caffelite.core.blob import Array
from caffelite.core.data import included
from caffelite.core.data.backends import RecordReader
from caffelite.core.data.datum import DatumReader, Label
from caffelite.core.data.lmdb_records import Rows
from caffelite.core.data.plain_records import PlainRecords
from caffelite.core.data.source import Undecoded


class LabelledImages(NamedTuple):
    """Pixels, (C, H, W) each, in one array (N, C, H, W) if they are alike, with labels and keys."""

    images: Sequence[Array] | Array
    labels: list[Label]  # several a record are a tuple each
    keys: list[bytes]  # names of the records


def decoded(records: Undecoded) -> LabelledImages:
    """Return the same records, decoded by this thread; DataError for the first that cannot be."""
    pairs = [records.decode(key, value) for key, value in zip(records.keys, records.values, strict=True)]
    return LabelledImages([pixels for pixels, _ in pairs], [label for _, label in pairs], records.keys)


class Database:
    """The records of a database of images, in the order of their keys; see Source and FetchingSource."""

    def __init__(self, reader: RecordReader, datum_reader: DatumReader) -> None:
        self._reader, self._datum_reader = reader, datum_reader
        self._plain_records = PlainRecords()
        self._next = 0  # position of the record that the reader gives next

    @property
    def count(self) -> int | None:
        """Records of the database; None as long as that is not known."""
        return self._reader.entries

    def read(self, positions: range) -> LabelledImages:
        """Return the images at these positions, which may leave others out between them."""
        records = self.fetch(positions)
        return records if isinstance(records, LabelledImages) else decoded(records)

    def fetch(self, positions: range) -> LabelledImages | Undecoded:
        """Return the same, undecoded unless they are plain pixels, all of one size."""
        # Other solvers' records before the first are read through: to seek means to walk over the keys from the start.
        if not 0 <= positions.start - self._next < positions.step:
            self._reader.seek(positions.start)
            self._next = positions.start
        before, end = positions.start - self._next, positions[-1] + 1
        count, self._next = end - self._next, end
        if positions.step == 1:
            parts = self._reader.read_rows(count)
        else:
            records = self._reader.read(count)[before :: positions.step]
            parts = [Rows([key for key, _ in records], [value for _, value in records])]
        plain = None if self._datum_reader.forces_channels else self._plain(parts)
        if plain is not None:
            return plain
        keys = [key for part in parts for key in part.keys]
        return Undecoded(keys, [value for part in parts for value in part.values], self._decode)

    def _plain(self, parts: list[Rows]) -> LabelledImages | None:
        """Return the images of records that are plain pixels, alike in each part; None if one is something else."""
        read = []
        for part in parts:
            plain = self._plain_records.read(part.values)
            if plain is None:
                return None
            read.append(LabelledImages(*plain, part.keys))
        return _joined(read)

    def _decode(self, key: bytes, value: bytes | Array) -> tuple[Array, Label]:
        return self._datum_reader.read(key, bytes(value))

    def get_state(self) -> dict[str, Any]:
        """Return nothing: the order of keys is always the same."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: the database is closed with its last reader."""


def _joined(parts: list[LabelledImages]) -> LabelledImages:
    if len(parts) == 1:
        return parts[0]
    images: Sequence[Array] = [image for part in parts for image in part.images]
    return LabelledImages(
        images, [label for part in parts for label in part.labels], [k for p in parts for k in p.keys]
    )


def find_database(name: str, folder: Path | None) -> Path:
    """Return where the database is that a prototxt in `folder` names; see find_or_make."""
    return included.find_or_make(name, folder, "an LMDB or LevelDB folder")
