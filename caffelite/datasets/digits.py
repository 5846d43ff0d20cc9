"""The handwritten digits that come with caffelite; see digits.md beside this file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.included import Records
from caffelite.datasets.databases import write_images

STORED = Path(__file__).parent / "digits.npz"
RECORDS = {"digits_train_lmdb": Records(1437, (1, 28, 28)), "digits_test_lmdb": Records(360, (1, 28, 28))}
NAMES = tuple(RECORDS)
KEY_DIGITS = 8  # as convert_mnist_data
BLACK = 16  # the largest value of the stored images
FACTOR = 3
MARGIN = 2


def make(out: Path) -> None:
    """Make the training and the test database in folder `out`."""
    images, labels = load()
    enlarged = enlarge(images)[:, np.newaxis]
    is_test = for_testing(labels)
    for name, part in zip(NAMES, (~is_test, is_test), strict=True):
        write_images(out / name, enlarged[part], labels[part], KEY_DIGITS)


def load() -> tuple[Array, Array]:
    """Return the images, (1797, 8, 8) with values 0 to 16, and their labels."""
    with np.load(STORED) as stored:
        return stored["images"], stored["labels"]


def for_testing(labels: Array) -> Array:
    """Return for each image whether it is for testing: every fifth, sorted by class, so that classes are even."""
    chosen = np.zeros(len(labels), bool)
    chosen[np.argsort(labels, kind="stable")[::5]] = True
    return chosen


def enlarge(images: Array) -> Array:
    """Return `images`, (N, 8, 8) with values 0 to 16, as (N, 28, 28) uint8: bilinear, and a margin of 0 around.

    In whole numbers, so that every machine makes the same images.
    """
    size = images.shape[1]
    weights = _bilinear_weights(size)
    stretched = weights @ images.astype(np.int64) @ weights.T
    white = (2 * FACTOR) ** 2 * BLACK
    pixels = (stretched * 255 + white // 2) // white
    padded: Array = np.pad(pixels.astype(np.uint8), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    return padded


def _bilinear_weights(size: int) -> Array:
    """Return what each of `size` pixels adds to each of FACTOR * `size`, times 2 * FACTOR; border pixels are repeated.

    Pixel i of the large image lies at (i + 0.5) / FACTOR - 0.5 of the small one.
    """
    weights = np.zeros((FACTOR * size, size), np.int64)
    for i in range(FACTOR * size):
        position = 2 * i + 1 - FACTOR  # times 2 * FACTOR
        below, part = divmod(position, 2 * FACTOR)
        weights[i, max(below, 0)] += 2 * FACTOR - part
        weights[i, min(below + 1, size - 1)] += part
    return weights
