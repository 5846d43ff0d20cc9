"""Labels: floats in a blob that stand for class numbers, one for each position of the scores."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs


def classes_along(bottom: Blobs, axis: int) -> tuple[int, int, int]:
    """Return (outer, C, inner): bottom[0] holds scores of C classes along `axis`, at outer x inner positions.

    Scores of (2, 10, 5, 5) with axis 1 give (2, 10, 25). LayerError unless bottom[1] has a label for each position.
    """
    shape = bottom[0].shape
    outer, classes, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    if bottom[1].count != outer * inner:
        raise LayerError(
            "bottom[1]",
            shape_string(bottom[1].shape),
            f"Number of labels must match number of predictions: scores of {shape_string(shape)} with classes on "
            f"axis {axis} need {outer * inner} labels, integers from 0 to {classes - 1}",
        )
    return outer, classes, inner


def read_labels(values: Array, classes: int, ignore: int | None) -> Array:
    """Return labels as flat int64, fractions cut off as Caffe does.

    Raises LayerError, naming value and place, for one that is neither 0 .. classes - 1 nor `ignore`.
    """
    flat = values.reshape(-1)
    with np.errstate(invalid="ignore"):  # NaN becomes some integer, which the check below finds
        labels: Array = flat.astype(np.int64)
    wrong = (labels < 0) | (labels >= classes) | ~np.isfinite(flat)
    if ignore is not None:
        wrong &= labels != ignore
    if wrong.any():
        place = int(np.argmax(wrong))
        raise LayerError(
            f"label {place} of bottom[1]",
            f"{flat[place]:g}",
            f"there are {classes} classes, so labels are 0 to {classes - 1}; raise num_output or mend the labels",
        )
    return labels
