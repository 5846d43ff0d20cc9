"""Greedy non-maximum suppression: of boxes that overlap, the best is kept.

Boxes are float64, (K, 4): xmin, ymin, xmax, ymax, best first. Compiled for that type alone.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.jit.compile import kernel

Array = np.ndarray[Any, np.dtype[Any]]
EVERY = -1  # as `most`: all boxes that are left


def kept_boxes(
    boxes: Array,
    threshold: float,
    *,
    eta: float = 1.0,
    most: int = EVERY,
    pixel: float = 0.0,
    strict: bool = False,
    of_smaller: bool = False,
) -> Array:
    """Return which boxes are kept, as indices that rise: each whose IoU with every box kept before is <= threshold.

    boxes: (K, 4) of any float type, best first. strict: the IoU has to be < threshold.
    eta: after each kept box the threshold, while above 0.5, is multiplied by it.
    most: at most so many are kept. pixel: added to both sides, 1 where corners are pixels that belong to the box.
    of_smaller: in place of the IoU the share that is common of the smaller box.

    A box with a side below 0 has the area 0.
    """
    limit = float(np.nextafter(threshold, -np.inf)) if strict else float(threshold)
    found = np.empty(len(boxes), np.int64)
    count = _keep(
        np.ascontiguousarray(boxes, np.float64), limit, float(eta), int(most), float(pixel), bool(of_smaller), found
    )
    return found[:count]


@kernel
def _keep(boxes: Array, threshold: float, eta: float, most: int, pixel: float, of_smaller: bool, found: Array) -> int:
    count = 0
    areas = np.zeros(len(boxes))
    for k in range(len(boxes)):
        if count == most:
            break
        width, height = boxes[k, 2] - boxes[k, 0] + pixel, boxes[k, 3] - boxes[k, 1] + pixel
        areas[k] = 0.0 if width < 0 or height < 0 else width * height
        if _is_apart(boxes, areas, k, threshold, pixel, of_smaller, found, count):
            found[count] = k
            count += 1
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return count


@kernel
def _is_apart(
    boxes: Array, areas: Array, k: int, threshold: float, pixel: float, of_smaller: bool, found: Array, count: int
) -> bool:
    """Whether box k overlaps none of the first `count` found ones by more than the threshold."""
    for i in range(count):
        other = found[i]
        width = min(boxes[k, 2], boxes[other, 2]) - max(boxes[k, 0], boxes[other, 0]) + pixel
        height = min(boxes[k, 3], boxes[other, 3]) - max(boxes[k, 1], boxes[other, 1]) + pixel
        overlap = 0.0
        if width > 0 and height > 0:
            shared = width * height
            whole = min(areas[k], areas[other]) if of_smaller else areas[k] + areas[other] - shared
            overlap = shared / whole
        if overlap > threshold:
            return False
    return True
