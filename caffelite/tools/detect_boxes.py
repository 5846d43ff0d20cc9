"""Boxes in one image: the file is read, what was found is drawn on it and written as lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from caffelite.boxes.box import Box
from caffelite.boxes.drawing import draw_boxes, name_of
from caffelite.core.blob import Array
from caffelite.core.data.image import opencv
from caffelite.core.errors import UsageError
from caffelite.core.files import read_file, require_file
from caffelite.core.weights.atomic import replacing

PICTURES = (".png", ".jpg", ".jpeg")
_LABEL_MAP = re.compile(r"item\s*:?\s*\{(?P<fields>[^}]*)\}")
_LABEL, _SHOWN = re.compile(r"\blabel\s*:\s*(\d+)"), re.compile(r"""\bdisplay_name\s*:\s*["']([^"']*)["']""")


def read_names(path: Path) -> list[str]:
    """Return the names of labels 0, 1, ...: a name a line, or SSD's labelmap of items with label and display_name.

    Raises UsageError for a file without names.
    """
    require_file(path)
    data = read_file(path)
    if b"\0" in data:
        raise UsageError(f"{path}: this is no text file; give one with a name a line, the first one that of label 0")
    text = data.decode("utf-8-sig", "replace")
    items = [item["fields"] for item in _LABEL_MAP.finditer(text)]
    if not items:
        names = [line.strip() for line in text.splitlines()]
    else:
        numbered = {
            int(label[1]): shown[1]
            for item in items
            if (label := _LABEL.search(item)) and (shown := _SHOWN.search(item))
        }
        names = [numbered.get(label, str(label)) for label in range(max(numbered, default=-1) + 1)]
    if not any(names):
        raise UsageError(f"{path}: no names; give a file with a name a line, the first one that of label 0")
    return names


def write_picture(path: Path, image: Array, boxes: Sequence[Box], names: Sequence[str]) -> None:
    """Write the image (H, W, 3), RGB, values from 0 to 1, with the boxes drawn on it, as .png or .jpg."""
    drawn = draw_boxes((image * 255).round().astype(np.uint8), boxes, names)
    _, encoded = opencv().imencode(path.suffix.lower(), drawn[:, :, ::-1])
    with replacing(path) as file:
        file.write(encoded.tobytes())


def lines_of(boxes: Sequence[Box], names: Sequence[str]) -> list[str]:
    """Return a line for each box: name, score, xmin, ymin, xmax and ymax in pixels, then its points."""
    lines = []
    for box in boxes:
        corners = (box.xmin, box.ymin, box.xmax, box.ymax)
        points = "".join(f"  {x:.1f},{y:.1f}" for x, y in box.points)
        lines.append(
            f"{name_of(box.label, names)} {box.score:.4f} {' '.join(f'{value:.1f}' for value in corners)}{points}"
        )
    return lines
