"""Region proposals the slow way, one box after another, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def pixel_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Return intersection over union of two boxes x1, y1, x2, y2 whose corners are pixels that belong to them."""
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1) for i in (0, 1))
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def reference_proposals(
    scores: Array,
    deltas: Array,
    anchors: Array,
    stride: int,
    size: Sequence[float],
    least: Sequence[float],
    pre: int | None,
    post: int | None,
    threshold: float,
) -> Array:
    """Return rows x1, y1, x2, y2, score of the best boxes that do not overlap; arguments as Proposer's."""
    found: list[list[float]] = []
    for h, w, a in np.ndindex(scores.shape[1], scores.shape[2], len(anchors)):
        x1, y1, x2, y2 = anchors[a] + np.array([w, h, w, h]) * stride
        dx, dy, dw, dh = deltas[4 * a : 4 * a + 4, h, w]
        width, height = x2 - x1 + 1, y2 - y1 + 1
        x, y = x1 + 0.5 * width + dx * width, y1 + 0.5 * height + dy * height
        width, height = exp(dw) * width, exp(dh) * height
        corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        box = [min(max(side, 0), size[1 - axis % 2] - 1) for axis, side in enumerate(corners)]
        if box[2] - box[0] + 1 >= least[1] and box[3] - box[1] + 1 >= least[0]:
            found.append([*box, scores[a, h, w]])
    kept: list[list[float]] = []
    for row in sorted(found, key=lambda row: -row[4])[:pre]:
        if all(pixel_iou(row, other) <= threshold for other in kept):
            kept.append(row)
    return np.array(kept[:post]).reshape(-1, 5)
