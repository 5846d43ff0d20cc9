"""Images from a file, a folder or an array, and what a net says of them. Source: python/classify.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import lcm
from pathlib import Path

import numpy as np

from caffelite.classifier import Classifier
from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.core.files import Kind, UnreachableError, kind_of, require_file
from caffelite.io import load_image

CROPS = 10  # of an image, which `oversample` makes


def image_names(source: Path, ext: str) -> list[Path]:
    """Return the images: of a folder the files whose names end in .`ext`, by name, else `source` itself.

    Raises UsageError if there is none.
    """
    try:
        is_folder = kind_of(source) is Kind.FOLDER
    except UnreachableError as err:
        raise UsageError(f"{source}: {err}") from None
    if not is_folder:
        require_file(source)
        return [source]
    end = f".{ext.removeprefix('.')}"
    names = [path for path in sorted(source.iterdir()) if path.name.endswith(end) and not path.name.startswith(".")]
    if not names:
        raise UsageError(f"{source} has no file whose name ends in {end}; say with --ext what its images are, as png")
    return names


def read_array(path: Path) -> Array:
    """Return the images (N, H, W, K) of a .npy file, memory-mapped; UsageError if it holds none."""
    require_file(path)
    try:
        images: Array = np.load(path, mmap_mode="r")
    except ValueError as err:
        raise UsageError(f"{path}: this is no .npy file of numbers ({err})") from None
    if images.ndim != 4 or images.size == 0 or images.dtype.kind not in "fiu":
        raise UsageError(f"{path} holds {images.dtype} of the shape {images.shape}; images are numbers (N, H, W, K)")
    return images


def predictions(classifier: Classifier, images: Sequence[Path] | Array, oversample: bool) -> Iterator[Array]:
    """Give what the net's first output says of each image, (n, ...), for a few images at a time.

    `images` are files or an array (N, H, W, K). So many go through the net at once as fill its batches, whatever the
    number of images. Raises what load_image and Classifier.predict raise.
    """
    batch, channels = classifier.blobs[classifier.inputs[0]].shape[:2]
    at_once = lcm(batch, CROPS) // CROPS if oversample else batch
    for first in range(0, len(images), at_once):
        some = images[first : first + at_once]
        loaded = [load_image(item, channels != 1) if isinstance(item, Path) else item for item in some]
        yield classifier.predict(loaded, oversample)
