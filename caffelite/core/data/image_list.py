"""Lists of images, one `path label` a line. Source: tools/convert_imageset.cpp, layers/image_data_layer.cpp."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from caffelite.core.data.datum import Label
from caffelite.core.errors import DataError
from caffelite.core.files import open_file, read_file

_ATOI = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_WHOLE = re.compile(rb"[ \t]*[+-]?[0-9]+[ \t\r]*")
_NUMBER = re.compile(rb"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Lines without any doubt, a million of which take a second or two; the last blank of each is the only place to look at.
_USUAL = re.compile(r"^(.*) ([+-]?[0-9]{1,9})\r?$", re.MULTILINE)
_LABEL_AT_THE_END = re.compile(r" ([+-]?[0-9.]+)? ?$")
MOST_DIGITS = 1000  # zeros in front among them; Python makes no numbers of more than 4300
INT32 = range(-(2**31), 2**31)
LARGEST = 3.4028234663852886e38  # of float32, in which several labels are kept
LONGEST_LINE = 1 << 16  # that is looked at for the first path alone


class ListedImage(NamedTuple):
    """One line: the path as it is written there, and the label, or the labels if a line has several."""

    path: str
    label: Label


class ImageList(NamedTuple):
    """The lines of a list, and what looks like a mistake in it: "" if nothing does."""

    images: list[ListedImage]
    doubt: str


def read_image_list(path: Path, label_count: int = 0) -> ImageList:
    """Read a list: the last blank of a line divides path and label, and a blank line is an image without a name.

    A label is read as C's atoi does, what is no number as 0; of that `doubt` tells. Raises OSError, or DataError for a
    label that needs more than 32 bits.

    With a `label_count`, which Caffe does not know, the last words of each line are so many labels, integers or not,
    and what is in front of them is the path, which may hold blanks; DataError, with the line, where they are not
    numbers.
    """
    data = read_file(path)
    lines = data.split(b"\n")
    if not lines[-1]:  # behind the last line's end
        lines.pop()
    if label_count:
        while lines and not lines[-1].strip():
            lines.pop()
        return ImageList([_of_several(path, i, line, label_count) for i, line in enumerate(lines, 1)], "")
    images = [ListedImage(match[1], int(match[2])) for match in _USUAL.finditer(os.fsdecode(data))]
    if len(images) == len(lines):
        return ImageList(images, "")
    images = []
    doubtful = []
    for number, line in enumerate(lines, 1):
        name, blank, text = line.rpartition(b" ")
        if not blank:  # then Caffe takes the line for both
            name = line
        match = _ATOI.match(text)
        digits = match[1] if match else b"0"
        if len(digits) > MOST_DIGITS or (label := int(digits)) not in INT32:
            shown = digits.decode()
            raise DataError(f"{path}:{number}: the label {shown} needs more than the 32 bits of a Datum's label")
        if not (blank and _WHOLE.fullmatch(text)):
            doubtful.append(number)
        images.append(ListedImage(os.fsdecode(name), label))
    return ImageList(images, _doubt(path, lines, doubtful, images))


def ends_like_a_label(path: str) -> bool:
    """Return whether what was taken for a path ends as if its line had several labels, or blanks behind the label."""
    return _LABEL_AT_THE_END.search(path) is not None


def first_path(path: Path, label_count: int = 0) -> str:
    """Return the path in the first line of a list, whose other lines are not read; "" if there is none.

    Raises OSError, or DataError as `read_image_list` does.
    """
    with open_file(path) as file:
        line = file.read(LONGEST_LINE).partition(b"\n")[0]
    if label_count:
        return _of_several(path, 1, line, label_count).path if line else ""
    name, blank, _ = line.rpartition(b" ")
    return os.fsdecode(name if blank else line)


def _of_several(path: Path, number: int, line: bytes, label_count: int) -> ListedImage:
    """Return the path and labels of line `number`; DataError if they are not there."""
    name, *texts = line.rsplit(None, label_count) or [b""]
    try:
        labels = tuple(map(float, texts))
    except ValueError:
        labels = ()
    # Of what Python takes for a number nan and inf are not between these, and 1_0 has a line in it.
    if len(labels) == label_count and all(-LARGEST <= x <= LARGEST for x in labels) and b"_" not in b"".join(texts):
        return ListedImage(os.fsdecode(name), labels)
    wrong = next((text for text in texts if not _NUMBER.fullmatch(text) or abs(float(text)) > LARGEST), None)
    shown = line.decode(errors="backslashreplace")
    problem = f"has fewer than {label_count} labels" if wrong is None else _no_number(wrong)
    raise DataError(
        f'{path}:{number}: the line "{shown}" {problem}; a line is `path{" label" * min(label_count, 4)}'
        f"{' ...' if label_count > 4 else ''}` with {label_count} number{'s' * (label_count > 1)}"
    )


def _no_number(text: bytes) -> str:
    return f'has the label "{text.decode(errors="backslashreplace")}", which is no number of 32 bits'


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
