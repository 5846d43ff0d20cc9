"""Non-maximum suppression against the plain loop."""

import numpy as np
import pytest

from caffelite.core.kernels.nms import kept_boxes


def overlap(a, b, pixel):
    """IoU of two boxes, as one would write it by hand."""
    sides = [max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + pixel) for i in (0, 1)]
    shared = sides[0] * sides[1]
    areas = [(box[2] - box[0] + pixel) * (box[3] - box[1] + pixel) for box in (a, b)]
    return shared / (sum(areas) - shared) if shared else 0.0


def plain(boxes, threshold, eta=1.0, most=None, pixel=0.0, strict=False):
    kept = []
    for k, box in enumerate(boxes):
        found = [overlap(box, boxes[other], pixel) for other in kept]
        if all(value < threshold if strict else value <= threshold for value in found) and len(kept) != most:
            kept.append(k)
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return kept


def random_boxes(count, size, seed=1):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, size, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0, size, (count, 2))], 1)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.3},
        {"threshold": 0.9, "eta": 0.8},
        {"threshold": 0.45, "eta": 0.5},
        {"threshold": 0.7, "most": 5},
        {"threshold": 0.5, "pixel": 1.0},
        {"threshold": 0.0},
        {"threshold": 1.0},
    ],
)
def test_equals_the_plain_loop(options):
    boxes = random_boxes(60, 30.0)
    kept = kept_boxes(boxes, **options)
    assert kept.tolist() == plain(boxes, **options)
    assert 0 < len(kept) < 60 or options["threshold"] == 1.0


def test_an_overlap_of_just_the_threshold_is_kept_unless_strict():
    boxes = np.array([[0, 0, 2, 1], [1, 0, 2, 1]], np.float32)  # 1 of 2
    assert kept_boxes(boxes, 0.5).tolist() == [0, 1]
    assert kept_boxes(boxes, 0.5, strict=True).tolist() == [0]


def test_with_pixels_boxes_that_touch_overlap():
    boxes = np.array([[0.0, 0, 1, 1], [1, 0, 2, 1]])  # columns 0, 1 and 1, 2: 2 of 6
    assert kept_boxes(boxes, 0.3).tolist() == [0, 1]
    assert kept_boxes(boxes, 0.3, pixel=1).tolist() == [0]


def test_boxes_turned_inside_out_and_none():
    boxes = np.array([[0.0, 0, 1, 1], [0.9, 0.9, 0.1, 0.1], [0, 0, 1, 1]])
    assert kept_boxes(boxes, 0.4).tolist() == [0, 1]
    assert kept_boxes(np.empty((0, 4)), 0.4).tolist() == []


def test_is_fast_enough_for_region_proposals():
    boxes = random_boxes(6000, 600.0)
    assert len(kept_boxes(boxes, 0.7, most=300, pixel=1)) == 300


def test_of_the_smaller_box():
    boxes = np.array([[0, 0, 10, 10], [2, 2, 4, 4], [8, 8, 12, 12], [0, 0, 10, 30]], float)
    assert kept_boxes(boxes, 0.3).tolist() == [0, 1, 2]  # 4 of 100, 4 of 112, 100 of 300
    assert kept_boxes(boxes, 0.3, of_smaller=True).tolist() == [0, 2]  # 4 of 4, 4 of 16, 100 of 100
