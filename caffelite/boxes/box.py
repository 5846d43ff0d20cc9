"""A box in an image, and what two boxes have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.kernels.nms import kept_boxes


class Box(NamedTuple):
    """What was found: a label, its score from 0 to 1, corners in pixels of the image, and points in it (x, y)."""

    label: int
    score: float
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    points: tuple[tuple[float, float], ...] = ()


def best(windows: Array, scores: Array, overlap: float, of_smaller: bool = False) -> Array:
    """Return which of the windows (N, 4), x1 y1 x2 y2, stay, by score: none of which a better one covers too much.

    That is, whose common area with a better one that stays is more than `overlap` of both areas together, or, with
    `of_smaller`, of the smaller one.
    """
    order = np.argsort(-scores, kind="stable")
    stay: Array = order[kept_boxes(windows[order], overlap, of_smaller=of_smaller)]
    return stay
