"""MNIST and data sets in its form (IDX files). Source: examples/mnist/convert_mnist_data.cpp."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.included import Records
from caffelite.core.errors import DataError
from caffelite.datasets.databases import is_complete, write_images
from caffelite.datasets.download import RemoteFile, download, find, kept_downloads

UNSIGNED_BYTE = 0x800  # in the magic number; the last digit is the number of axes
SIDE = 28
CLASSES = 10
KEY_DIGITS = 8  # as convert_mnist_data


@dataclass(frozen=True)
class Part:
    """The training or test part: name of its database, number of images, its two files."""

    name: str
    count: int
    images: RemoteFile
    labels: RemoteFile


@dataclass(frozen=True)
class IdxDataset:
    """Grey 28 x 28 images with labels 0 to 9, in IDX files: plain or compressed, from a folder or a server.

    `mirrors` are asked, one after the other, when `url` does not give a file. `system_folder` is where a package of the
    system puts the files.
    """

    parts: tuple[Part, ...]
    url: str
    system_folder: Path | None = None
    mirrors: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the databases."""
        return tuple(part.name for part in self.parts)

    @property
    def records(self) -> dict[str, Records]:
        """What each database holds."""
        return {part.name: Records(part.count, (1, SIDE, SIDE)) for part in self.parts}

    def make(self, out: Path, source: Path | None, url: str | None) -> None:
        """Make the databases that are missing in folder `out`; see catalogue.make."""
        missing = [part for part in self.parts if not is_complete(out / part.name, part.count)]
        for part in missing:
            self._make_part(part, out, self._getter(source, url))

    @property
    def original_sizes(self) -> dict[str, int]:
        """Names and sizes of the original files, not compressed."""
        return {name: _size(shape) for name, (_, shape) in self._originals.items()}

    def read_originals(
        self, names: Collection[str], source: Path | None, url: str | None
    ) -> Iterator[tuple[str, bytes]]:
        """Give the names and contents of those of the original files; see catalogue.fetch."""
        get = self._getter(source, url)
        for name in names:
            file, shape = self._originals[name]
            yield name, _read_whole(get(file), shape)

    @property
    def _originals(self) -> dict[str, tuple[RemoteFile, tuple[int, ...]]]:
        """What each original file is called when it is not compressed: the file, and the shape of its values."""
        files: list[tuple[RemoteFile, tuple[int, ...]]] = []
        for part in self.parts:
            files += [(part.images, (part.count, SIDE, SIDE)), (part.labels, (part.count,))]
        return {file.name.removesuffix(".gz"): (file, shape) for file, shape in files}

    def _getter(self, source: Path | None, url: str | None) -> Callable[[RemoteFile], Path]:
        """Return what gives the place of an original file, which it downloads if there is no `source`."""
        if source is None and url is None and self.system_folder is not None and self.system_folder.is_dir():
            source = self.system_folder
        if source is not None:
            return partial(_find_file, source)
        return partial(download, urls=[url] if url else [self.url, *self.mirrors], folder=kept_downloads())

    def _make_part(self, part: Part, out: Path, get: Callable[[RemoteFile], Path]) -> None:
        images = read_idx(get(part.images), (part.count, SIDE, SIDE))
        labels_file = get(part.labels)
        labels = read_idx(labels_file, (part.count,))
        if labels.max() >= CLASSES:
            raise DataError(f"{labels_file} holds the label {labels.max()}; labels are 0 to {CLASSES - 1}")
        write_images(out / part.name, images[:, np.newaxis], labels, KEY_DIGITS)


def _find_file(folder: Path, file: RemoteFile) -> Path:
    plain = file.name.removesuffix(".gz")
    return find(folder, [file.name, plain, plain.replace("-idx", ".idx")])


def read_idx(path: Path, shape: tuple[int, ...]) -> Array:
    """Return the bytes of an IDX file, plain or compressed, which must have this shape; DataError if it has not."""
    values: Array = np.frombuffer(_read_whole(path, shape), np.uint8, offset=_header(shape).size).reshape(shape)
    return values


def _header(shape: tuple[int, ...]) -> struct.Struct:
    return struct.Struct(f">{1 + len(shape)}I")


def _size(shape: tuple[int, ...]) -> int:
    return _header(shape).size + math.prod(shape)


def _read_whole(path: Path, shape: tuple[int, ...]) -> bytes:
    """Return the file, not compressed, with its header."""
    header, expected = _header(shape), _size(shape)
    try:
        opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
        with opened as file:
            content = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as err:
        raise DataError(f"cannot read {path}: {err}") from None
    if len(content) < header.size:
        raise DataError(f"{path} is cut short: {len(content)} bytes instead of {expected}")
    magic, *sizes = header.unpack_from(content)
    if magic != UNSIGNED_BYTE + len(shape):
        raise DataError(
            f"{path} is not the expected IDX file: its magic number is {magic} instead of {UNSIGNED_BYTE + len(shape)}"
        )
    if tuple(sizes) != shape:
        raise DataError(f"{path} holds {_product(sizes)} values instead of {_product(shape)}")
    if len(content) != expected:
        found = "more" if len(content) > expected else str(len(content))
        raise DataError(f"{path} has {found} bytes instead of {expected}")
    return content


def _product(sizes: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, sizes))


MNIST = IdxDataset(
    parts=(
        Part(
            "mnist_train_lmdb",
            60000,
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
        ),
        Part(
            "mnist_test_lmdb",
            10000,
            RemoteFile(
                "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        ),
    ),
    url="https://storage.googleapis.com/cvdf-datasets/mnist",
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist",),
)

FASHION_MNIST = IdxDataset(
    parts=(
        Part(
            "fashion_mnist_train_lmdb",
            60000,
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                26421880,
                "08dc20ab1689590a0bcd66e874647b6ee8464e2d501b5a3f1f78831db19a3fdc",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz", 29515, "b0197879cbda89f3dc7b894f9fd52b858e68ea4182b6947c9d8c2b67e5f18dcc"
            ),
        ),
        Part(
            "fashion_mnist_test_lmdb",
            10000,
            RemoteFile(
                "t10k-images-idx3-ubyte.gz", 4422102, "78dcbbfb5a27efaf1b6c1d616caca68560be8766c5bffcb2791df9273a534229"
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz", 5148, "42bd18137a62d5998cdeae52bf3a0676ac6b706f5cf8439b47bb5b151ae3dccf"
            ),
        ),
    ),
    url="https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    system_folder=Path("/usr/share/datasets/fashion-mnist"),  # of Debian's package dataset-fashion-mnist
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",),
)
