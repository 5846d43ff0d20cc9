"""Pairs of images of another data set, for siamese nets. Source: examples/siamese/convert_mnist_siamese_data.cpp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.included import Records
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.random import generator
from caffelite.datasets.databases import is_complete, write_images

KEY_DIGITS = 8  # as convert_mnist_siamese_data
SEED = 1


@dataclass(frozen=True)
class SiameseDataset:
    """Pairs of the images in other databases, which are made first and stay.

    `parts` maps the name of each database of images to that of its pairs and their number.
    """

    parts: dict[str, tuple[str, int]]
    make_images: Callable[[Path, Path | None, str | None], None]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the databases of pairs."""
        return tuple(name for name, _ in self.parts.values())

    def records(self, images: Mapping[str, Records]) -> dict[str, Records]:
        """Return what each database of pairs holds, from what the databases of images do."""
        shapes = {name: images[source].shape for source, (name, _) in self.parts.items()}
        return {name: Records(count, (2 * shapes[name][0], *shapes[name][1:])) for name, count in self.parts.values()}

    def make(self, out: Path, source: Path | None, url: str | None) -> None:
        """Make the databases that are missing in folder `out`; see catalogue.make."""
        missing = {images: pairs for images, pairs in self.parts.items() if not is_complete(out / pairs[0], pairs[1])}
        if missing:
            self.make_images(out, source, url)
        for images_name, (name, count) in missing.items():
            images, labels = read_images(out / images_name)
            pairs, same = pair(images, labels, count, name)
            write_images(out / name, pairs, same, KEY_DIGITS)


def read_images(folder: Path) -> tuple[Array, Array]:
    """Return all images, (N, C, H, W) uint8, and labels, (N), of the database `folder`; images must be of one size."""
    reader, datums = LmdbReader(folder), DatumReader(str(folder))
    records = [datums.read(key, value) for key, value in reader.read(reader.entries)]
    return np.stack([pixels for pixels, _ in records]), np.array([label for _, label in records])


def pair(images: Array, labels: Array, count: int, name: str) -> tuple[Array, Array]:
    """Return `count` random pairs, (count, 2 * C, H, W), and for each 1 if its labels are equal, else 0.

    Both images are drawn alike, with replacement, so that of ten even classes a tenth of the pairs is equal. The same
    `name` gives the same pairs (convert_mnist_siamese_data's differ from run to run).
    """
    first, second = generator(SEED, "siamese", name).integers(len(images), size=(2, count))
    return np.concatenate([images[first], images[second]], axis=1), (labels[first] == labels[second]).astype(np.uint8)
