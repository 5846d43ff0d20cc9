"""CIFAR-10, the binary version. Source: examples/cifar10/convert_cifar_data.cpp, tools/compute_image_mean.cpp."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data import mean
from caffelite.core.data.included import Records
from caffelite.core.errors import DataError, WeightsError
from caffelite.datasets.databases import is_complete, write_images
from caffelite.datasets.download import RemoteFile, download, kept_downloads

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32  # bytes: label, then the red, green and blue plane
CLASSES = 10
KEY_DIGITS = 5  # as convert_cifar_data
SUBFOLDER = "cifar-10-batches-bin"  # in the archive


@dataclass(frozen=True)
class Cifar10:
    """The archive and how many images each of its files holds."""

    archive: RemoteFile
    url: str
    images_per_file: int
    names = ("cifar10_train_lmdb", "cifar10_test_lmdb", "cifar10_mean.binaryproto")

    @property
    def records(self) -> dict[str, Records]:
        """What each database holds."""
        train, test, _ = self.names
        count = self.images_per_file
        return {train: Records(len(self.train_files) * count, SHAPE), test: Records(count, SHAPE)}

    train_files = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
    test_files = ("test_batch.bin",)

    def make(self, out: Path, source: Path | None, url: str | None) -> None:
        """Make the databases and the mean of the training images in folder `out`; see catalogue.make."""
        train, test, mean_file = (out / name for name in self.names)
        train_count = len(self.train_files) * self.images_per_file
        if is_complete(train, train_count) & is_complete(test, self.images_per_file) & mean_file.exists():
            return
        found = self._read(source, url or self.url)
        images, labels = self._join(found, self.train_files)
        write_images(train, images, labels, KEY_DIGITS)
        write_mean(mean_file, images)
        write_images(test, *self._join(found, self.test_files), KEY_DIGITS)

    @property
    def original_sizes(self) -> dict[str, int]:
        """Names and sizes of the original files."""
        return dict.fromkeys((*self.train_files, *self.test_files), self._file_size)

    def read_originals(
        self, names: Collection[str], source: Path | None, url: str | None
    ) -> Iterator[tuple[str, bytes]]:
        """Give the names and contents of those of the original files; see catalogue.fetch."""
        found = self._read(source, url or self.url)
        for name in names:
            yield name, found[name]

    def _read(self, source: Path | None, url: str) -> dict[str, bytes]:
        """Return the contents of the six files; DataError if one is missing."""
        wanted = {*self.train_files, *self.test_files}
        if source is None:
            found = dict(self._in_archive(download(self.archive, [url], kept_downloads()), wanted))
            source = Path(url)
        elif (source / self.archive.name).is_file():
            found = dict(self._in_archive(source / self.archive.name, wanted))
        else:
            found = dict(self._in_folder(source, wanted))
        if missing := sorted(wanted - set(found)):
            raise DataError(f"{source} has no file {' or '.join(missing)}, nor {self.archive.name} with it")
        return found

    def _in_folder(self, folder: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        for name in sorted(wanted):
            path = next((place for place in (folder / name, folder / SUBFOLDER / name) if place.is_file()), None)
            if path is not None:
                with path.open("rb") as file:
                    yield name, self._checked(path, file.read(self._file_size + 1))

    def _in_archive(self, archive: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        try:
            with tarfile.open(archive, "r:gz") as members:
                for member in members:
                    name = member.name.rpartition("/")[2]
                    file = members.extractfile(member) if member.isfile() and name in wanted else None
                    if file is not None:
                        yield name, self._checked(archive / name, file.read(self._file_size + 1))
        except (tarfile.TarError, EOFError, OSError, zlib.error) as err:
            raise DataError(f"{archive} is cut short or not an archive: {err}") from None

    @property
    def _file_size(self) -> int:
        return self.images_per_file * RECORD

    def _checked(self, path: Path, content: bytes) -> bytes:
        if len(content) != self._file_size:
            found = "more" if len(content) > self._file_size else str(len(content))
            raise DataError(f"{path} has {found} bytes instead of {self._file_size}")
        label = max(content[::RECORD])
        if label >= CLASSES:
            raise DataError(f"{path} is not a file of CIFAR-10: it holds the label {label}")
        return content

    def _join(self, found: dict[str, bytes], names: tuple[str, ...]) -> tuple[Array, Array]:
        records = np.frombuffer(b"".join(found[name] for name in names), np.uint8).reshape(-1, RECORD)
        return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def write_mean(path: Path, images: Array) -> None:
    """Write the mean of `images`, (N, C, H, W) uint8, as compute_image_mean does; DataError if it cannot be written."""
    try:
        mean.write_mean(path, images.sum(axis=0, dtype=np.int64).astype(np.float32) / np.float32(len(images)))
    except WeightsError as err:
        raise DataError(str(err)) from err


CIFAR10 = Cifar10(
    RemoteFile("cifar-10-binary.tar.gz", 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    url="https://www.cs.toronto.edu/~kriz",
    images_per_file=10000,
)
