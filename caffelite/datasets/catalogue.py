"""Which data sets there are, and what each makes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from caffelite.core.data.included import Records
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.registry import Registry
from caffelite.core.weights.atomic import replacing
from caffelite.datasets import cifar10, digits, idx, rows
from caffelite.datasets.siamese import SiameseDataset

log = logging.getLogger("caffelite")

FOLDER = "data"  # where the databases are, seen from where people run their nets


class Originals(Protocol):
    """A data set whose original files can be had, not packed."""

    @property
    def original_sizes(self) -> Mapping[str, int]:
        """Names and sizes of the files."""

    def read_originals(
        self, names: Collection[str], source: Path | None, url: str | None
    ) -> Iterator[tuple[str, bytes]]:
        """Give the names and contents of those of the files, from a folder or a server as `make` of Dataset."""


class Dataset(NamedTuple):
    """One data set: what it is, the names of what it makes and what each database of them holds, and how it is made.

    `make` gets the folder to write to, the folder of the original files (None: find or download them) and the address
    to download from (None: the usual one).
    """

    summary: str
    names: tuple[str, ...]
    records: Mapping[str, Records]
    make: Callable[[Path, Path | None, str | None], None]
    included: bool = False  # comes with caffelite, so that there is no source
    originals: Originals | None = None


DATASETS: Registry[Dataset] = Registry("data set")

DATASETS.register("digits")(
    Dataset(
        "1,797 handwritten digits, 28 x 28 grey, 10 classes; comes with caffelite (UCI, CC BY 4.0)",
        digits.NAMES,
        digits.RECORDS,
        lambda out, source, url: digits.make(out),
        included=True,
    )
)
DIGITS_SIAMESE = SiameseDataset(
    {
        "digits_train_lmdb": ("digits_siamese_train_lmdb", 10000),
        "digits_test_lmdb": ("digits_siamese_test_lmdb", 2000),
    },
    lambda out, source, url: digits.make(out),
)
DATASETS.register("digits_siamese")(
    Dataset(
        "12,000 pairs of the digits, 2 x 28 x 28, label 1 if both are the same digit; comes with caffelite",
        DIGITS_SIAMESE.names,
        DIGITS_SIAMESE.records(digits.RECORDS),
        DIGITS_SIAMESE.make,
        included=True,
    )
)
DATASETS.register("iris")(
    Dataset(
        "150 flowers, 4 measures, 3 species, as HDF5; comes with caffelite (R. A. Fisher, CC BY 4.0)",
        rows.IRIS.names,
        rows.IRIS.records,
        lambda out, source, url: rows.IRIS.make(out),
        included=True,
    )
)
DATASETS.register("hdf5_classification")(
    Dataset(
        "10,000 points of 4 features, 2 classes that no line divides, as HDF5; made by a formula",
        rows.CLUSTERS.names,
        rows.CLUSTERS.records,
        lambda out, source, url: rows.CLUSTERS.make(out),
        included=True,
    )
)
DATASETS.register("mnist")(
    Dataset(
        "70,000 handwritten digits, 28 x 28 grey, 10 classes; 11 MB to download",
        idx.MNIST.names,
        idx.MNIST.records,
        idx.MNIST.make,
        originals=idx.MNIST,
    )
)
MNIST_SIAMESE = SiameseDataset(
    {"mnist_train_lmdb": ("mnist_siamese_train_lmdb", 60000), "mnist_test_lmdb": ("mnist_siamese_test_lmdb", 10000)},
    idx.MNIST.make,
)
DATASETS.register("mnist_siamese")(
    Dataset(
        "70,000 pairs of MNIST's digits, 2 x 28 x 28, label 1 if both are the same digit; 11 MB to download",
        MNIST_SIAMESE.names,
        MNIST_SIAMESE.records(idx.MNIST.records),
        MNIST_SIAMESE.make,
    )
)
DATASETS.register("fashion_mnist")(
    Dataset(
        "70,000 pictures of clothes, 28 x 28 grey, 10 classes; 30 MB to download, or Debian's dataset-fashion-mnist",
        idx.FASHION_MNIST.names,
        idx.FASHION_MNIST.records,
        idx.FASHION_MNIST.make,
        originals=idx.FASHION_MNIST,
    )
)
DATASETS.register("cifar10")(
    Dataset(
        "60,000 photographs, 32 x 32 colour (RGB), 10 classes, and their mean; 170 MB to download",
        cifar10.CIFAR10.names,
        cifar10.CIFAR10.records,
        cifar10.CIFAR10.make,
        originals=cifar10.CIFAR10,
    )
)


def make(name: str, out: Path | str = FOLDER, source: Path | str | None = None, url: str | None = None) -> list[Path]:
    """Make the databases of data set `name` in folder `out` and return their paths; those that are there are kept.

    source: a folder with the original files; without it they are downloaded, from `url` if given (the folder on a
    server that holds them). Raises DataError for files that are not the right ones, UnknownNameError for a name that
    is not in DATASETS, UsageError for source or url of a data set that comes with caffelite.
    """
    dataset = DATASETS[name]
    if dataset.included and (source is not None or url is not None):
        raise UsageError(f"the data set {name} comes with caffelite: leave --source and --url out")
    _check_one(source, url)
    dataset.make(Path(out), None if source is None else Path(source), url)
    return [Path(out) / made for made in dataset.names]


def fetch(name: str, out: Path | str = FOLDER, source: Path | str | None = None, url: str | None = None) -> list[Path]:
    """Put the original files of data set `name`, not packed, into folder `out` and return their paths.

    Those that are there, of the right size, are left alone. source, url and errors as in `make`; also UsageError for a
    data set that has no such files.
    """
    originals = DATASETS[name].originals
    if originals is None:
        having = any_of(other for other in DATASETS if DATASETS[other].originals)
        raise UsageError(f"the data set {name} has no original files that can be had alone; use {having}")
    _check_one(source, url)
    paths = {file: Path(out) / file for file in originals.original_sizes}
    missing = [file for file, size in originals.original_sizes.items() if not _is_there(paths[file], size)]
    if missing:
        Path(out).mkdir(parents=True, exist_ok=True)
        for file, content in originals.read_originals(missing, None if source is None else Path(source), url):
            with replacing(paths[file]) as opened:
                opened.write(content)
    return list(paths.values())


def _check_one(source: Path | str | None, url: str | None) -> None:
    if source is not None and url is not None:
        raise UsageError("give --source (a folder) or --url (a server to download from), not both")


def _is_there(path: Path, size: int) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    log.info("%s is already there; left alone", path)
    return True


def make_if_included(source: str) -> bool:
    """Make the database at path `source` and return True, if it is one of a data set that comes with caffelite."""
    found = _dataset_of(source)
    if not found or not DATASETS[found].included:
        return False
    log.info("Making %s from the %s that come with caffelite", source, found)
    make(found)
    return True


def command_for(source: str) -> str:
    """Return the command that makes the file or database at path `source`; "" if none does."""
    found = _dataset_of(source)
    return f"caffelite dataset {found}" if found else ""


def records_of(source: str) -> Records | None:
    """Return what the database at path `source` holds; None if it is of no data set here, or no database."""
    found = _dataset_of(source)
    return DATASETS[found].records.get(Path(source).name) if found else None


def _dataset_of(source: str) -> str:
    path = Path(source)
    if path.parent != Path(FOLDER):
        return ""
    return next((name for name in DATASETS if path.name in DATASETS[name].names), "")
