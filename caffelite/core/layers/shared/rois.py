"""Layers that cut regions out of feature maps: what they take, and bins of a region. Source: Fast R-CNN, R-FCN."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import WHOLE, Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer

FARTHEST = 1e6  # pixels of the image; of larger regions ROIAlign would take more samples than there is memory


class RoiLayer(Layer):
    """bottom[0]: (N, C, H, W); bottom[1]: R rows of image, x1, y1, x2, y2 in pixels of the image, without a gradient.

    The top's first axis is R.
    """

    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 1

    def check_bottoms(self, bottom: Blobs) -> int:
        """Return R; LayerError for other shapes."""
        if bottom[0].num_axes != 4 or 0 in bottom[0].shape[2:]:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                "it must be (num, channels, height, width), with 1 pixel or more",
            )
        if bottom[1].num_axes < 2 or bottom[1].count_between(1) != 5:
            raise LayerError(
                "bottom[1]", shape_or_scalar(bottom[1].shape), "it must be (R, 5): image, x1, y1, x2, y2 a region"
            )
        return bottom[1].shape[0]

    def regions(self, bottom: Blobs) -> tuple[Array, Array]:
        """Return the images (R) as int64 and the corners (R, 4); LayerError for one that cannot be."""
        rows = bottom[1].data.reshape(-1, 5)
        num = bottom[0].shape[0]
        bad = np.flatnonzero(~((rows[:, 0] >= 0) & (rows[:, 0] < num)))
        if bad.size:
            raise LayerError(
                f"bottom[1][{bad[0]}]",
                f"of image {rows[bad[0], 0]:g}",
                f"bottom[0] has {num} images, counted from 0",
            )
        bad = np.flatnonzero(~(np.abs(rows[:, 1:]) <= FARTHEST).all(1))
        if bad.size:
            corners = ", ".join(f"{value:g}" for value in rows[bad[0], 1:])
            raise LayerError(f"bottom[1][{bad[0]}]", f"at {corners}", f"corners are numbers of at most {FARTHEST:g}")
        return rows[:, 0].astype(np.int64), rows[:, 1:]

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Say that a region may be anywhere."""
        return WHOLE

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Say that the regions have no gradient."""
        return bottom_index == 0

    def start_gradient(self, propagate_down: list[bool], bottom: Blobs) -> bool:
        """Zero the maps' gradient and return whether it is wanted; LayerError if the regions' is."""
        if propagate_down[1]:
            raise LayerError(
                "propagate_down[1]", "true", "regions get no gradient; write propagate_down: false for them"
            )
        if propagate_down[0]:
            bottom[0].diff.fill(0)
        return propagate_down[0]


def rounded(values: Array) -> Array:
    """Return the nearest whole numbers, halves away from zero as C's round, in the type of `values`."""
    result: Array = np.copysign(np.floor(np.abs(values) + values.dtype.type(0.5)), values)
    return result


def bins(starts: Array, sizes: Array, pooled: int, length: int) -> tuple[Array, Array]:
    """Return first and last + 1 of the pixels of each bin, both (R, pooled) int64, within an axis of `length` pixels.

    starts: (R), where the regions begin; a region is `pooled` bins of sizes (R) each. Computed in the type of the
    sizes, since Caffe does so and a last bit decides whether a pixel is in a bin.
    """
    numbers = np.arange(pooled + 1, dtype=sizes.dtype)
    edges = sizes[:, None] * numbers + starts[:, None]
    first, last = np.floor(edges[:, :-1]).clip(0, length), np.ceil(edges[:, 1:]).clip(0, length)
    return first.astype(np.int64), last.astype(np.int64)
