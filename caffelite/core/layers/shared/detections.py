"""The top of detectors: a row for each box that was found, of as many as were found in this pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.layer import Blobs
from caffelite.core.layers.shared.without_gradient import WithoutGradientLayer

COLUMNS = 7  # image, label, score, xmin, ymin, xmax, ymax


class DetectionsLayer(WithoutGradientLayer):
    """A layer whose top[0] is (1, 1, K, 7), K being known only when the boxes are found; set-up makes room for one."""

    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the bottoms, and shape the top for one box; a pass forward gives it the shape that it needs."""
        self.check_bottoms(bottom)
        top[0].reshape(1, 1, 1, COLUMNS)

    def check_bottoms(self, bottom: Blobs) -> None:
        """Raise LayerError for shapes that do not go together."""
        raise NotImplementedError(f"{type(self).__name__} has no check_bottoms")


def rows_of(image: int, labels: Array | int, scores: Array, boxes: Array) -> Array:
    """Return (K, 7) of one image, from its boxes (K, 4)."""
    rows = np.empty((len(boxes), COLUMNS), boxes.dtype)
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:] = image, labels, scores, boxes
    return rows


def fill_detections(top: Blob, found: Sequence[Array], images: int) -> None:
    """Shape and fill the top with the rows (K, 7) of all parts; without any, with a row of -1 for each image.

    The first column of these is the image's number, as in SSD.
    """
    count = sum(map(len, found))
    top.reshape(1, 1, count or images, COLUMNS)
    if count:
        np.concatenate(found, out=top.data[0, 0], casting="same_kind")
    else:
        top.data.fill(-1)
        top.data[0, 0, :, 0] = np.arange(images)
