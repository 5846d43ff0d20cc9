"""Window files of R-CNN: images and windows in them, with overlaps. Source: src/caffe/layers/window_data_layer.cpp."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.image_list import INT32
from caffelite.core.errors import DataError
from caffelite.core.files import read_file

_INTEGER = rb"[+-]?[0-9]{1,12}"
_NUMBER = rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_COLUMNS = ("class index", "overlap", "x1", "y1", "x2", "y2")
_FORMS = [_NUMBER if name == "overlap" else _INTEGER for name in _COLUMNS]
_HEADER = re.compile(rb"\s*(\S+)" + rb"\s+(\S+)" * 6)
_WINDOWS = re.compile(rb"(?:\s+" + rb"\s+".join(_FORMS) + rb"(?=\s|\Z))*\s*")
_WORD = re.compile(rb"\S+")
X1, Y1, X2, Y2 = 2, 3, 4, 5  # columns


class Windows(NamedTuple):
    """Windows of one kind: the image of each (a number of `WindowFile.paths`), its label, and its corners, (M, 4).

    Corners are x1, y1, x2, y2, the pixels at both ends being inside.
    """

    images: Array
    labels: Array
    corners: Array

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.labels)


class WindowFile(NamedTuple):
    """The images of a window file, and the windows that count; those between both thresholds are left out."""

    paths: list[str]
    channels: int  # of the last image: they are the net's, as in Caffe
    foreground: Windows
    background: Windows


def read_window_file(path: Path, fg_threshold: float, bg_threshold: float) -> WindowFile:
    """Read a window file: foreground overlaps by `fg_threshold` or more, background, label 0, by less than the other.

    Overlaps are compared as float32. Raises OSError, or DataError, with the line, for anything that is not as it has to
    be: images that are not numbered 0, 1, 2, ..., a foreground label below 1, corners in the wrong order.
    """
    text = _Text(path, read_file(path))
    fg, bg = np.float32(fg_threshold), np.float32(bg_threshold)
    paths: list[str] = []
    found: list[tuple[Array, Array]] = []
    channels, place = 0, 0
    while match := _HEADER.match(text.data, place):
        if match[1] != b"#":
            raise text.no_image(match.start(1), match[1])
        index, channels, count = (text.integer(match, group) for group in (2, 4, 7))
        if index != len(paths):
            raise text.error(
                match.start(2), f"image {index} is the {len(paths) + 1}. of the file: number them 0, 1, ..."
            )
        end = text.data.find(b"#", match.end())
        place = len(text.data) if end < 0 else end
        found.append(_of_image(text, index, match.end(), place, count, fg, bg))
        paths.append(os.fsdecode(match[3]))
    if word := _WORD.search(text.data, place):
        if not word[0].startswith(b"#"):  # a short file of another kind, such as a list of images
            raise text.no_image(word.start(), word[0])
        raise text.error(word.start(), "the file ends within an image's `# index path channels height width windows`")
    return WindowFile(paths, channels, *(_joined([of_kind[kind] for of_kind in found]) for kind in (0, 1)))


def _of_image(
    text: _Text, index: int, start: int, end: int, count: int, fg_threshold: np.float32, bg_threshold: np.float32
) -> tuple[Array, Array]:
    """Return foreground and background of one image, (M, 6) int32 each: image, label, corners."""
    rows = text.windows(start, end)
    if len(rows) != count:
        raise text.error(start - 1, f"image {index} has {count} windows, but {len(rows)} follow")
    overlaps = rows[:, 1].astype(np.float32)
    is_fg = overlaps >= fg_threshold
    is_bg = ~is_fg & (overlaps < bg_threshold)
    wrong = is_fg & (rows[:, 0] < 1)
    if wrong.any():
        raise text.error_in_row(start, wrong, "foreground of class 0 or less: classes of objects begin with 1")
    wrong = (is_fg | is_bg) & ((rows[:, X2] < rows[:, X1]) | (rows[:, Y2] < rows[:, Y1]))
    if wrong.any():
        raise text.error_in_row(start, wrong, "x2 or y2 is less than x1 or y1: write class, overlap, x1, y1, x2, y2")
    whole = rows.astype(np.int32)
    whole[:, 1] = np.where(is_fg, whole[:, 0], 0)
    whole[:, 0] = index
    return whole[is_fg], whole[is_bg]


def _joined(parts: list[Array]) -> Windows:
    rows = np.concatenate([np.empty((0, len(_COLUMNS)), np.int32), *parts])
    return Windows(rows[:, 0], rows[:, 1], rows[:, 2:])


class _Text:
    """The file, and what is wrong at a place of it."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self.data = path, data

    def error(self, place: int, problem: str) -> DataError:
        line = self.data.count(b"\n", 0, place) + 1
        return DataError(f"{self._path}:{line}: {problem}")

    def no_image(self, place: int, word: bytes) -> DataError:
        """Return the error for a word that stands where an image should begin."""
        return self.error(place, f'an image begins with "#", not with "{_shown(word)}"')

    def error_in_row(self, start: int, rows: Array, problem: str) -> DataError:
        """Return the error for the first true one of `rows`, windows that begin at `start`."""
        words = _WORD.finditer(self.data, start)
        wanted = int(np.argmax(rows)) * len(_COLUMNS)
        place = next(word.start() for number, word in enumerate(words) if number == wanted)
        return self.error(place, problem)

    def integer(self, match: re.Match[bytes], group: int) -> int:
        """Return a number of an image's header."""
        value = int(match[group]) if re.fullmatch(_INTEGER, match[group]) else -1
        if not 0 <= value < INT32.stop:
            name = {2: "index", 4: "number of channels", 7: "number of windows"}[group]
            raise self.error(match.start(group), f'"{_shown(match[group])}" is no {name} of an image')
        return value

    def windows(self, start: int, end: int) -> Array:
        """Return the windows between two places, (N, 6) float64."""
        block = self.data[start:end]
        if not _WINDOWS.fullmatch(block):
            raise self._problem_between(start, end)
        # Stripped, since of blanks alone fromstring makes a number.
        rows = np.fromstring(block.strip().decode(), np.float64, sep=" ").reshape(-1, len(_COLUMNS))
        wrong: Array = np.any(np.abs(rows) >= INT32.stop, axis=1)
        if wrong.any():
            raise self.error_in_row(start, wrong, "a number of more than 32 bits")
        return rows

    def _problem_between(self, start: int, end: int) -> DataError:
        words = list(_WORD.finditer(self.data, start, end))
        for number, word in enumerate(words):
            column = number % len(_COLUMNS)
            if not re.fullmatch(_FORMS[column], word[0]):
                kind = "number" if _COLUMNS[column] == "overlap" else "whole number"
                return self.error(word.start(), f'{_COLUMNS[column]} is "{_shown(word[0])}", which is no {kind}')
        return self.error(words[-1].start(), "the last window is cut off: write class, overlap, x1, y1, x2, y2")


def _shown(word: bytes) -> str:
    return word.decode(errors="backslashreplace")
