"""Labels: floats in a blob that stand for class numbers."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError


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
