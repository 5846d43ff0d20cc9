"""Proposals and detections the slow way, one box after another, to compare with."""

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


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Return intersection over union of two boxes xmin, ymin, xmax, ymax; the area of one turned inside out is 0."""
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height) if width * height else 0.0


def reference_decoded(
    prior: Sequence[float], variance: Sequence[float], offset: Sequence[float], code_type: str
) -> list[float]:
    """Return the corners of the box that an offset says of a prior."""
    x1, y1, x2, y2 = prior
    width, height = x2 - x1, y2 - y1
    if code_type == "CENTER_SIZE":
        x = variance[0] * offset[0] * width + (x1 + x2) / 2
        y = variance[1] * offset[1] * height + (y1 + y2) / 2
        w, h = exp(variance[2] * offset[2]) * width, exp(variance[3] * offset[3]) * height
        return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    sides = [width, height] * 2 if code_type == "CORNER_SIZE" else [1] * 4
    return [p + v * d * s for p, v, d, s in zip(prior, variance, offset, sides, strict=True)]


def _without_overlaps(boxes: Sequence[Sequence[float]], threshold: float, eta: float) -> list[int]:
    kept: list[int] = []
    for k, box in enumerate(boxes):
        if all(iou(box, boxes[other]) <= threshold for other in kept):
            kept.append(k)
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return kept


def reference_detections(
    loc: Array,
    conf: Array,
    priors: Array,
    arm: Sequence[Array] = (),
    *,
    classes: int,
    share: bool = True,
    background: int = 0,
    threshold: float = 0.3,
    top_k: int | None = None,
    eta: float = 1.0,
    code_type: str = "CORNER",
    keep: int = -1,
    encoded: bool = False,
    least: float = -np.inf,
    objectness: float = 0.01,
    clip: bool = False,
) -> Array:
    """Return the rows of DetectionOutput, (K, 7), none where nothing is found; bottoms and fields are the layer's."""
    count = priors.shape[2] // 4
    boxes, variances = priors[0].reshape(2, count, 4)
    if encoded:
        variances = np.ones_like(variances)
    rows: list[list[float]] = []
    for image in range(len(loc)):
        scores = conf[image].reshape(count, classes).copy()
        own = list(boxes)
        if arm:
            scores[arm[0][image].reshape(count, 2)[:, 1] < objectness] = np.arange(classes) == background
        if len(arm) > 1:
            moved = arm[1][image].reshape(count, 4)
            own = [reference_decoded(boxes[p], variances[p], moved[p], code_type) for p in range(count)]
        found: list[list[float]] = []
        for label in (label for label in range(classes) if label != background):
            said = loc[image].reshape(count, -1, 4)[:, 0 if share else label]
            order = [p for p in range(count) if scores[p, label] > least]
            order = sorted(order, key=lambda p: -scores[p, label])[:top_k]  # noqa: B023  (used at once)
            decoded = [reference_decoded(own[p], variances[p], said[p], code_type) for p in order]
            if clip:
                decoded = [[min(max(side, 0.0), 1.0) for side in box] for box in decoded]
            kept = _without_overlaps(decoded, threshold, eta)
            found += [[image, label, scores[order[k], label], *decoded[k]] for k in kept]
        best = sorted(found, key=lambda row: -row[2])[: keep if keep > -1 else None]
        rows += [row for row in found if row in best]
    return np.array(rows).reshape(-1, 7)
