"""Region proposals of Faster R-CNN: anchors around each pixel, moved by offsets, the best that do not overlap.

Boxes are x1, y1, x2, y2 in pixels of the image, corners included: a box is x2 - x1 + 1 wide.
Source: lib/rpn/proposal_layer.py and generate_anchors.py of rbgirshick/py-faster-rcnn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.kernels.nms import EVERY, kept_boxes

ALL = 0  # as a number of boxes


class Proposer(NamedTuple):
    """How proposals are made.

    anchors: (A, 4), around the first pixel. feat_stride: pixels of the image from one pixel of the map to the next.
    pre_nms, post_nms: at most so many boxes are looked at, and kept; ALL for all. threshold: a larger IoU is too much.
    """

    anchors: Array
    feat_stride: int
    pre_nms: int
    post_nms: int
    threshold: float

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def proposals(
        self, scores: Array, deltas: Array, size: Sequence[float], least: Sequence[float]
    ) -> tuple[Array, Array]:
        """Return boxes (R, 4), the best first, and their scores (R).

        scores: (A, H, W), of an object. deltas: (4 * A, H, W). size: height and width of the image. least: height and
        width below which a box is left out.
        """
        height, width = scores.shape[1:]
        moved = moved_boxes(self._anchors_at(height, width, deltas.dtype), deltas.transpose(1, 2, 0).reshape(-1, 4))
        boxes = moved.clip(0, np.array([size[1], size[0]] * 2, moved.dtype) - 1)
        flat = scores.transpose(1, 2, 0).reshape(-1)
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        large = np.flatnonzero((sides[:, 0] >= least[1]) & (sides[:, 1] >= least[0]))
        order = large[np.argsort(-flat[large], kind="stable")]
        if self.pre_nms > ALL:
            order = order[: self.pre_nms]
        most = self.post_nms if self.post_nms > ALL else EVERY
        kept = order[kept_boxes(boxes[order], self.threshold, most=most, pixel=1)]
        return boxes[kept], flat[kept]

    def _anchors_at(self, height: int, width: int, dtype: np.dtype[np.floating]) -> Array:
        """Return the anchors of all pixels, row by row, (H * W * A, 4)."""
        shifts = np.zeros((height, width, 1, 4), dtype)
        shifts[..., 0::2] = (np.arange(width) * self.feat_stride)[:, None, None]
        shifts[..., 1::2] = (np.arange(height) * self.feat_stride)[:, None, None, None]
        anchors: Array = (shifts + self.anchors.astype(dtype)).reshape(-1, 4)
        return anchors


def make_anchors(
    base_size: int, ratios: Sequence[float], scales: Sequence[float], rounding: Callable[[float], float]
) -> Array:
    """Return (ratios * scales, 4) float64: boxes around the middle of base_size pixels, the scales of a ratio together.

    ratios: height / width, at the area base_size ** 2; sides are rounded to pixels before they are scaled.
    """
    centre, anchors = 0.5 * (base_size - 1), []
    for ratio in ratios:
        width = rounding(sqrt(base_size**2 / ratio))
        height = rounding(width * ratio)
        for scale in scales:
            half_w, half_h = 0.5 * (width * scale - 1), 0.5 * (height * scale - 1)
            anchors.append([centre - half_w, centre - half_h, centre + half_w, centre + half_h])
    return np.array(anchors).reshape(-1, 4)


def moved_boxes(boxes: Array, deltas: Array) -> Array:
    """Return boxes (K, 4) moved by deltas (K, 4): dx, dy in sizes, and the logarithms of the ratios of sizes."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    centres = boxes[:, :2] + sizes / 2 + deltas[:, :2] * sizes
    halves = np.exp(deltas[:, 2:]) * sizes / 2
    return np.concatenate([centres - halves, centres + halves], 1)
