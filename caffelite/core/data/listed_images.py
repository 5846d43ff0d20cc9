"""The images that a list names, as a source. Source: src/caffe/layers/image_data_layer.cpp, src/caffe/util/io.cpp."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from caffelite.core import random
from caffelite.core.blob import Array
from caffelite.core.data.database import LabelledImages, decoded
from caffelite.core.data.datum import Label
from caffelite.core.data.image_list import ListedImage, ends_like_a_label
from caffelite.core.data.opencv import decode_as, resize
from caffelite.core.data.source import Undecoded
from caffelite.core.errors import DataError
from caffelite.core.files import NoSuchFileError, find_file, first_existing, read_file

log = logging.getLogger("caffelite")


class Reading(NamedTuple):
    """How the files of a list are found and read.

    `folder` is that of the prototxt; `root` stands in front of each path. Images become 3 channels (BGR) or grey, and
    `size`, (height, width), unless it is None.
    """

    list_file: Path
    folder: Path | None
    root: str
    color: bool = True
    size: tuple[int, int] | None = None
    label_count: int = 0


class ListedImages:
    """The images of a list, for ever, by position; see Source.

    Position 0 is line `skip`, and each later round begins with the first line. With a `shuffle_key`, 64 bits, each
    round has its own order, which is a function of the key and the number of the round; 0: the order of the list.
    """

    def __init__(self, images: list[ListedImage], reading: Reading, skip: int = 0, shuffle_key: int = 0) -> None:
        self._images, self._reading = images, reading
        self._skip, self._shuffle_key = skip, shuffle_key
        self._round, self._order = -1, np.empty(0, np.int64)

    @property
    def count(self) -> int:
        """Lines of the list."""
        return len(self._images)

    def fetch(self, positions: range) -> Undecoded:
        """Return the images at these positions as numbers of lines, from 0; their files are read by `decode`."""
        lines = [self._line_at(position) for position in positions]
        return Undecoded([self._key(line) for line in lines], lines, self._decode)

    def read(self, positions: range) -> LabelledImages:
        """Return the images at these positions; DataError, with the line, for one that cannot be read."""
        return decoded(self.fetch(positions))

    def _line_at(self, position: int) -> int:
        number, index = divmod(position + self._skip, len(self._images))
        if not self._shuffle_key:
            return index
        if number != self._round:
            self._order = random.generator(self._shuffle_key, number).permutation(len(self._images))
            self._round = number
        return int(self._order[index])

    def _key(self, line: int) -> bytes:
        return os.fsencode(f"{self._reading.list_file}:{line + 1}: {self._images[line].path}")

    def _decode(self, _: bytes, line: int) -> tuple[Array, Label]:
        """Return the pixels, (C, H, W) uint8, and the label of a line; several threads may call it at once."""
        image = self._images[line]
        try:
            pixels = pixels_of(file_of(self._reading, image.path), self._reading.color, self._reading.size)
        except DataError as err:
            where = f"{self._reading.list_file}:{line + 1}: "
            raise DataError(f'{where}Could not load "{image.path}": {err}{self._hint(image.path)}') from None
        return pixels, image.label

    def _hint(self, path: str) -> str:
        """Return what may be wrong with a line if its path looks as if it held a label, too."""
        if not ends_like_a_label(path):
            return ""
        if self._reading.label_count:
            return f" (if lines have more than {self._reading.label_count} labels, write another label_count)"
        return " (what follows the last blank of a line is its label; for several labels write label_count)"

    def get_state(self) -> dict[str, Any]:
        """Return the first line, the key of the shuffles (0: none) and the number of lines."""
        return {"skip": self._skip, "shuffle_key": self._shuffle_key, "lines": len(self._images)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with the order of the run whose state it is; the list itself may have another order now."""
        self._skip = int(state.get("skip", self._skip))
        if self._shuffle_key:
            self._shuffle_key = int(state.get("shuffle_key", 0)) or self._shuffle_key
        self._round = -1
        lines = int(state.get("lines", len(self._images)))
        if lines != len(self._images):
            log.warning(
                "%s has %d lines and had %d when the state was kept: other images follow",
                self._reading.list_file,
                len(self._images),
                lines,
            )

    def close(self) -> None:
        """Do nothing: no file is open between two reads."""


def file_of(reading: Reading, path: str) -> bytes:
    """Return the bytes of the image file at `path`, as a list has it; DataError, without its name, if it is none."""
    try:
        return read_file(found_image(reading, path))
    except NoSuchFileError as err:
        raise DataError(str(err)) from None
    except OSError as err:
        raise DataError(err.strerror or str(err)) from None


def found_image(reading: Reading, path: str) -> Path:
    """Return where the image file is; NoSuchFileError if it is nowhere.

    It is looked for as other files that a prototxt names and, if the prototxt names no root folder, beside the list.
    """
    name = reading.root + path
    try:
        return find_file(name, reading.folder)
    except NoSuchFileError as err:
        if reading.root or not err.tried or os.path.isabs(name):
            raise
        try:
            return first_existing([reading.list_file.parent / name])
        except NoSuchFileError as beside:
            raise NoSuchFileError(list(dict.fromkeys([*err.tried, *beside.tried]))) from None


def pixels_of(data: bytes, color: bool, size: tuple[int, int] | None = None) -> Array:
    """Return the pixels, (C, H, W) uint8, of the bytes of an image file; DataError, without a name, if it is none."""
    image = decode_as(data, color)
    if size is not None:
        image = resize(image, *size)
    return image[np.newaxis] if image.ndim == 2 else image.transpose(2, 0, 1)
