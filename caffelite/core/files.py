"""Files that another file names: as written, from the working directory (Caffe's rule), else beside that file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class NoSuchFileError(FileNotFoundError):
    """None of the places, which the text lists, holds the file; who knows the field makes an error of its own of it."""


def find_file(name: str, folder: Path | None) -> Path:
    """Return where the file or folder `name` is: as written, else in `folder`, that of the file which names it.

    Raises NoSuchFileError: `there is no such file (tried /a/list.txt and /b/list.txt)`.
    """
    return first_existing([Path(name), *([] if folder is None else [folder / name])])


def first_existing(places: Iterable[Path]) -> Path:
    """Return the first of the places that exists; NoSuchFileError if none does."""
    places = list(places)
    for place in places:
        if place.exists():
            return place
    tried = " and ".join(dict.fromkeys(os.path.abspath(place) for place in places))
    raise NoSuchFileError(f"there is no such file (tried {tried})")
