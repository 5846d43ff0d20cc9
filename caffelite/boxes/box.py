"""A box in an image, and what two boxes have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array


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
    areas = (windows[:, 2:] - windows[:, :2]).prod(axis=1)
    stay, left = [], np.argsort(-scores, kind="stable")
    while len(left):
        first, left = left[0], left[1:]
        stay.append(first)
        corner1 = np.maximum(windows[first, :2], windows[left, :2])
        corner2 = np.minimum(windows[first, 2:], windows[left, 2:])
        common = np.clip(corner2 - corner1, 0, None).prod(axis=1)
        whole = np.minimum(areas[first], areas[left]) if of_smaller else areas[first] + areas[left] - common
        left = left[common <= overlap * whole]
    return np.array(stay, np.intp)
