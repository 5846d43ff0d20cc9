"""Anchors and proposals against the published anchors and a plain loop."""

import numpy as np
import pytest

from caffelite.core.layers.shared.proposals import Proposer, make_anchors
from caffelite.testing.reference_boxes import reference_proposals

# As the comment in generate_anchors.py of py-faster-rcnn prints them, counted from 1 there.
PUBLISHED = [
    [-83, -39, 100, 56],
    [-175, -87, 192, 104],
    [-359, -183, 376, 200],
    [-55, -55, 72, 72],
    [-119, -119, 136, 136],
    [-247, -247, 264, 264],
    [-35, -79, 52, 96],
    [-79, -167, 96, 184],
    [-167, -343, 184, 360],
]


def network_output(anchors, height, width, images=1, seed=3):
    """Scores (N, 2 * A, H, W), no two alike, and deltas (N, 4 * A, H, W)."""
    rng = np.random.default_rng(seed)
    shape = (images, 2 * anchors, height, width)
    count = int(np.prod(shape))
    return rng.permutation(count).reshape(shape) / count, rng.normal(size=(images, 4 * anchors, height, width)) * 0.3


def test_anchors_are_the_published_ones():
    anchors = make_anchors(16, (0.5, 1, 2), (8, 16, 32), round)
    np.testing.assert_array_equal(anchors, np.array(PUBLISHED) - 1)


@pytest.mark.parametrize(("pre", "post"), [(0, 0), (40, 0), (0, 7), (40, 7)])
def test_equals_the_plain_loop(pre, post):
    anchors = make_anchors(8, (0.5, 2), (1, 2), round)
    scores, deltas = network_output(4, 5, 6)
    args = (scores[0, 4:], deltas[0], (40.0, 45.0), (6.0, 9.0))
    boxes, kept = Proposer(anchors, 8, pre, post, 0.5).proposals(*args)
    wanted = reference_proposals(args[0], args[1], anchors, 8, *args[2:], pre or None, post or None, 0.5)
    assert 0 < len(wanted) < 5 * 6 * 4
    np.testing.assert_allclose(np.column_stack([boxes, kept]), wanted, atol=1e-10)
