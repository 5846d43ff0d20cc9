"""Draw boxes on an image, with their labels and scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffelite.boxes.box import Box
from caffelite.core.blob import Array
from caffelite.core.data.image import opencv

# Colours that are far from each other, RGB; a label always has the same.
COLOURS = (
    (255, 200, 0),
    (0, 160, 255),
    (255, 70, 70),
    (70, 220, 90),
    (200, 90, 255),
    (0, 220, 220),
    (255, 120, 0),
    (255, 105, 180),
)
THICKNESS = 250  # pixels of the image's longer side, for one of a line
LETTERS = 900  # and for a factor of 1 of OpenCV's font


def draw_boxes(image: Array, boxes: Sequence[Box], names: Sequence[str] = ()) -> Array:
    """Return a copy of an image (H, W, 3), RGB, of bytes, on which the boxes are drawn, the best one last.

    A box has the name of its label, `names` counting from 0, or else its number, and its score in percent.
    """
    cv2 = opencv()
    drawn = np.ascontiguousarray(image.copy())
    longer = max(image.shape[:2])
    line, font = max(1, round(longer / THICKNESS)), max(0.4, longer / LETTERS)
    for box in reversed(boxes):
        colour = COLOURS[box.label % len(COLOURS)]
        corner1, corner2 = _pixel(box.xmin, box.ymin), _pixel(box.xmax, box.ymax)
        cv2.rectangle(drawn, corner1, corner2, colour, line)
        for x, y in box.points:
            cv2.circle(drawn, _pixel(x, y), line + 1, colour, cv2.FILLED, cv2.LINE_AA)
        _write(drawn, f"{name_of(box.label, names)} {100 * box.score:.0f} %", corner1, colour, font)
    return drawn


def name_of(label: int, names: Sequence[str]) -> str:
    """Return the name of a label, or its number if there is none."""
    return names[label] if 0 <= label < len(names) else str(label)


def _write(drawn: Array, text: str, corner: tuple[int, int], colour: tuple[int, ...], font: float) -> None:
    """Write black on the box's colour, above its corner, or inside of the image where that is not in it."""
    cv2 = opencv()
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font, 1)
    left = max(0, min(corner[0], drawn.shape[1] - width))
    bottom = max(height + below, corner[1])
    cv2.rectangle(drawn, (left, bottom - height - below), (left + width, bottom), colour, cv2.FILLED)
    cv2.putText(drawn, text, (left, bottom - below // 2), cv2.FONT_HERSHEY_SIMPLEX, font, (0, 0, 0), 1, cv2.LINE_AA)


def _pixel(x: float, y: float) -> tuple[int, int]:
    return round(x), round(y)
