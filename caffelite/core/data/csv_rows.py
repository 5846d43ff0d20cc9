"""Tables in text files, comma-separated: features, and a label a row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import DataError
from caffelite.core.files import read_file, reason_of
from caffelite.core.prototxt.suggest import any_of, did_you_mean

DELIMITERS = (",", ";", "\t")
LARGEST = float(np.finfo(np.float32).max)
LARGEST_EXACT = 2**24  # whole numbers up to this are exact in float32


class Table(NamedTuple):
    """Features (rows, columns) float32, labels (rows) float32, and what the columns and the classes are called.

    `classes` are the words that labels 0, 1, ... stand for; () where the labels are numbers in the file.
    """

    data: Array
    labels: Array
    features: tuple[str, ...]
    classes: tuple[str, ...]


def read_csv(path: Path, label: str = "") -> Table:
    """Read a table; `label` is the name of its column, or its number from 1, or "": the last column.

    A first line without numbers holds names.
    Commas, semicolons or tabs divide, whichever the first line has. Labels that are no numbers are classes, in the
    order of the alphabet. Raises DataError, with file and line, for what is no table of finite numbers.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except OSError as err:
        raise DataError(reason_of(err)) from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: it is no text in UTF-8") from None
    lines = _lines(path, text)
    if not lines:
        raise DataError(f"{path}: it has no lines")
    width = len(lines[0][1])
    for number, cells in lines:
        if len(cells) != width:
            raise DataError(f"{path}:{number}: it has {_columns(len(cells))} where line {lines[0][0]} has {width}")
    if width < 2:
        raise DataError(f"{path}: it has 1 column; at least one feature and the label are expected, divided by commas")
    names, rows = _named(lines)
    if not rows:
        raise DataError(f"{path}: it has a line of names and no rows")
    chosen = _label_column(path, names, label)
    features = tuple(name for column, name in enumerate(names) if column != chosen)
    data = np.empty((len(rows), len(features)), np.float32)
    for index, (number, cells) in enumerate(rows):
        values = [cell for column, cell in enumerate(cells) if column != chosen]
        for column, cell in enumerate(values):
            data[index, column] = _finite(cell, f'{path}:{number}: column "{features[column]}"')
    labels, classes = _labels(path, [(number, cells[chosen]) for number, cells in rows])
    return Table(data, labels, features, classes)


def _lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not empty, with its number."""
    first = text.lstrip().partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as err:
        raise DataError(f"{path}:{reader.line_num}: {err}") from None


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _named(lines: list[tuple[int, list[str]]]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return names of the columns and the rows: the first line are names if none of its cells is a number."""
    (_, first), *rows = lines
    if not any(map(_number, first)):
        return first, rows
    return [str(column + 1) for column in range(len(first))], lines


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_column(path: Path, names: Sequence[str], label: str) -> int:
    if not label:
        return len(names) - 1
    if label in names:
        return names.index(label)
    if label.isascii() and label.isdigit() and 0 < int(label) <= len(names):
        return int(label) - 1
    raise DataError(
        f'{path}: there is no column "{label}"{did_you_mean(label, names) or f"; there are {any_of(names)}"}'
    )


def _finite(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise DataError(f'{where} is "{cell}", not a number') from None
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise DataError(f'{where} is "{cell}"; a finite number of 32 bits is expected')
    return value


def _labels(path: Path, cells: list[tuple[int, str]]) -> tuple[Array, tuple[str, ...]]:
    words = [cell for _, cell in cells]
    if all(map(_number, words)):
        return np.array([_finite(cell, f"{path}:{number}: the label") for number, cell in cells], np.float32), ()
    for number, cell in cells:
        if not cell:
            raise DataError(f"{path}:{number}: the label is missing")
    classes = sorted(set(words))
    if len(classes) > LARGEST_EXACT:
        raise DataError(f"{path}: it has {len(classes)} classes; a float can tell {LARGEST_EXACT} apart")
    number_of = {word: number for number, word in enumerate(classes)}
    return np.array([number_of[word] for word in words], np.float32), tuple(classes)
