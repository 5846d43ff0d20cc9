"""Lists of images, one `path label` a line. Source: tools/convert_imageset.cpp, layers/image_data_layer.cpp."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from caffelite.core.errors import DataError
from caffelite.core.files import read_file

_ATOI = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_WHOLE = re.compile(rb"[ \t]*[+-]?[0-9]+[ \t\r]*")
INT32 = range(-(2**31), 2**31)


class ListedImage(NamedTuple):
    """One line: the path as it is written there, and the label."""

    path: str
    label: int


class ImageList(NamedTuple):
    """The lines of a list, and what looks like a mistake in it: "" if nothing does."""

    images: list[ListedImage]
    doubt: str


def read_image_list(path: Path) -> ImageList:
    """Read a list: the last blank of a line divides path and label, and a blank line is an image without a name.

    A label is read as C's atoi does, what is no number as 0; of that `doubt` tells. Raises OSError, or DataError for a
    label that needs more than 32 bits.
    """
    lines = read_file(path).split(b"\n")
    if not lines[-1]:  # behind the last line's end
        lines.pop()
    images = []
    doubtful = []
    for number, line in enumerate(lines, 1):
        name, blank, text = line.rpartition(b" ")
        if not blank:  # then Caffe takes the line for both
            name = line
        match = _ATOI.match(text)
        label = int(match[1]) if match else 0
        if label not in INT32:
            raise DataError(f"{path}:{number}: the label {label} needs more than the 32 bits of a Datum's label")
        if not (blank and _WHOLE.fullmatch(text)):
            doubtful.append(number)
        images.append(ListedImage(os.fsdecode(name), label))
    return ImageList(images, _doubt(path, lines, doubtful, images))


def _doubt(path: Path, lines: list[bytes], doubtful: list[int], images: list[ListedImage]) -> str:
    if not doubtful:
        return ""
    first = doubtful[0]
    rest = f", and {len(doubtful) - 1} more lines" if len(doubtful) > 1 else ""
    shown = lines[first - 1].decode(errors="backslashreplace")
    return (
        f'{path}:{first}: no blank and whole number at the end of "{shown}": label {images[first - 1].label}{rest}; '
        "a line is `path label`"
    )
