"""Where the features of a net go: a database for each blob, or datasets of HDF5 files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from caffelite.core.blob import Array, Blob
from caffelite.core.data.datum import float_datum
from caffelite.core.errors import UsageError
from caffelite.core.weights.hdf5 import writing
from caffelite.tools.backend import RecordWriter, creating_database, require_backend, require_new

HDF5 = "hdf5"
CHUNK_BYTES = 1 << 20
MOST_AXES = 4  # of a blob that goes into a Datum


class FeatureWriter(Protocol):
    """Takes the items of one blob, batch by batch; `count` are those that it has."""

    @property
    def count(self) -> int:
        """Items so far."""

    def put(self, blob: Blob) -> None:
        """Add the items of the blob."""


class Records:
    """Items as records: a Datum of float_data without a label, the key is the item's number, of ten digits."""

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer

    @property
    def count(self) -> int:
        """Items so far."""
        return self._writer.count

    def put(self, blob: Blob) -> None:
        """Add the items of the blob."""
        for values in blob.data.reshape(blob.num, blob.channels, blob.height, blob.width):
            self._writer.put(b"%010d" % self._writer.count, float_datum(values))


class Rows:
    """Items as rows of a dataset with the blob's name, (items, ...) of the blob's further axes and number type."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._name = file, name
        self._dataset: Any = None
        self.count = 0

    def put(self, blob: Blob) -> None:
        """Add the items of the blob; a blob without axes is one item."""
        values = blob.data.reshape(blob.shape or (1,))
        if self._dataset is None:
            self._dataset = self._made(values)
        self._dataset.resize(self.count + len(values), axis=0)
        self._dataset[self.count :] = values
        self.count += len(values)

    def _made(self, values: Array) -> Any:
        shape = values.shape[1:]
        rows = max(1, min(len(values), CHUNK_BYTES // max(1, values[:1].nbytes)))
        return self._file.create_dataset(
            self._name, (0, *shape), values.dtype, maxshape=(None, *shape), chunks=(rows, *shape), track_times=False
        )


def check_features(blobs: Sequence[str], databases: Sequence[Path], backend: str) -> None:
    """Raise UsageError for kinds, names or numbers that do not fit together, and for databases that are there."""
    require_backend(backend, HDF5)
    in_one = backend == HDF5 and len(databases) == 1
    if len(blobs) != len(databases) and not in_one:
        also = ", or one HDF5 file takes all blobs" if backend == HDF5 else ""
        raise UsageError(
            f"the number of blobs ({len(blobs)}) and of databases ({len(databases)}) must be equal; both are listed "
            f"with commas{also}"
        )
    if len({database.absolute() for database in databases}) < len(databases):
        raise UsageError("two blobs cannot go to one database; give each its own")
    if len(set(blobs)) < len(blobs) and in_one:
        raise UsageError("a blob is listed twice; in one HDF5 file it has one dataset")
    for database in databases:
        require_new(database)


@contextmanager
def creating_features(blobs: Sequence[str], databases: Sequence[Path], backend: str) -> Iterator[list[FeatureWriter]]:
    """Give a writer for each blob, of new databases or files: all are complete when the block ends, or none is made.

    HDF5 files are one for each blob, or one for all.
    """
    with ExitStack() as stack:
        writers: list[FeatureWriter]
        if backend == HDF5:
            files = [stack.enter_context(writing(path)) for path in databases]
            writers = [Rows(file, name) for file, name in zip(files * (len(blobs) // len(files)), blobs, strict=True)]
        else:
            writers = [Records(stack.enter_context(creating_database(path, backend))) for path in databases]
        yield writers


def check_axes(name: str, blob: Blob, backend: str) -> None:
    """Raise UsageError for a blob that has more axes than a Datum."""
    if backend != HDF5 and blob.num_axes > MOST_AXES:
        raise UsageError(
            f'the blob "{name}" has {blob.num_axes} axes; a Datum has channels, height and width: write DB_TYPE {HDF5}'
        )
