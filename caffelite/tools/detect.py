"""Windows of images to classify, read from a list, and what was found in them, written to a table.

Source: python/detect.py, which uses pandas.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.core.files import NoSuchFileError, find_file, read_file, require_file
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.hdf5 import write_array, writing
from caffelite.detector import Detection, Window
from caffelite.io import load_image

COORDINATES = ("ymin", "xmin", "ymax", "xmax")
LISTS = (".txt", ".csv")
TABLES = (".csv", ".h5", ".hdf5")


def read_images(path: Path) -> list[str]:
    """Return the images that a list names, a line of a .txt file or the column `filename` of a .csv, each once."""
    if path.suffix.lower() == ".csv":
        return list(dict.fromkeys(name for name, _ in _rows(path)))
    lines = [line.strip() for line in _text(path).splitlines()]
    return _found(path, list(dict.fromkeys(filter(None, lines))))


def read_windows(path: Path) -> list[tuple[str, list[Window]]]:
    """Return images and their windows (ymin, xmin, ymax, xmax).

    A .csv file has these columns and `filename`, in any order, and a line for each window. A .txt file has a line for
    each image; its window is the whole image. Images are looked for as written, else beside the list. Raises UsageError
    naming file and line.
    """
    if path.suffix.lower() != ".csv":
        return [(name, [_whole(name)]) for name in read_images(path)]
    windows: dict[str, list[Window]] = {}
    for name, window in _rows(path):
        windows.setdefault(name, []).append(window)
    return list(windows.items())


def _whole(name: str) -> Window:
    height, width, _ = load_image(name).shape
    return (0, 0, height, width)


def _rows(path: Path) -> list[tuple[str, Window]]:
    table = csv.DictReader(io.StringIO(_text(path)), skipinitialspace=True)
    missing = [name for name in ("filename", *COORDINATES) if name not in (table.fieldnames or ())]
    if missing:
        raise UsageError(
            f"{path}:1: no column {', '.join(missing)}; the first line is filename,{','.join(COORDINATES)}"
        )
    names: list[str] = []
    windows: list[Window] = []
    for row in table:
        try:
            windows.append([float(row[name]) for name in COORDINATES])
        except (TypeError, ValueError):
            raise UsageError(f"{path}:{table.line_num}: {any_of(COORDINATES)} is no number") from None
        names.append(row["filename"])
    return list(zip(_found(path, names), windows, strict=True))


def _found(path: Path, names: Sequence[str]) -> list[str]:
    """Return where the images are: as written, else beside the list."""
    if not names:
        raise UsageError(f"{path}: the list names no image")
    places: dict[str, str] = {}
    for name in dict.fromkeys(names):
        try:
            places[name] = str(find_file(name, path.parent))
        except NoSuchFileError as err:
            raise UsageError(f'{path}: image "{name}": {err}') from None
    return [places[name] for name in names]


def _text(path: Path) -> str:
    require_file(path)
    return read_file(path).decode("utf-8-sig", "surrogateescape")


def write_detections(path: Path, detections: Sequence[Detection]) -> None:
    """Write a line for each detection to a .csv file, or datasets of equal length to group `df` of an HDF5 file.

    The columns are filename, ymin, xmin, ymax and xmax, and in a .csv file class0, class1, ...; in HDF5 these are the
    rows of `prediction`, float32.
    """
    predictions = np.array([np.ravel(entry["prediction"]) for entry in detections], np.float32)
    if path.suffix.lower() == ".csv":
        _write_csv(path, detections, predictions)
        return
    with writing(path) as root:
        group = root.create_group("df")
        write_array(group, "filename", np.array([os.fsencode(entry["filename"]) for entry in detections]))
        windows = np.array([[float(edge) for edge in entry["window"]] for entry in detections])
        for name, values in zip(COORDINATES, windows.T, strict=True):
            write_array(group, name, values)
        write_array(group, "prediction", predictions)


def _write_csv(path: Path, detections: Iterable[Detection], predictions: Array) -> None:
    with replacing(path) as raw:
        file = io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="")
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["filename", *COORDINATES, *(f"class{i}" for i in range(predictions.shape[1]))])
        for entry, prediction in zip(detections, predictions, strict=True):
            edges = (f"{edge:g}" for edge in entry["window"])
            table.writerow([entry["filename"], *edges, *(f"{value:.9g}" for value in prediction)])
        file.flush()
        file.detach()
