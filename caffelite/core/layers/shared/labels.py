"""Labels: floats in a blob that stand for class numbers, one for each position of the scores."""

from __future__ import annotations

from math import prod

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.layer import Blobs, Layer

UNLABELLED = 255  # marks positions without a label in images of classes, such as those of PASCAL VOC


def classes_along(layer: Layer, bottom: Blobs, axis: int, field: str) -> tuple[int, int, int]:
    """Return (outer, C, inner): bottom[0] holds scores of C classes along `axis`, at outer x inner positions.

    Scores of (2, 10, 5, 5) with axis 1 give (2, 10, 25). `axis` is the value of `field` and may count from the end.
    LayerError if there is no such axis, and unless bottom[1] has a label for each position.
    """
    refuse_swapped(bottom, axis)
    axis = layer.canonical_axis(bottom[0], axis, field)
    shape = bottom[0].shape
    outer, classes, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    if bottom[1].count != outer * inner:
        raise LayerError(
            "bottom[1]",
            shape_or_scalar(bottom[1].shape),
            f"Number of labels must match number of predictions: scores of {shape_string(shape)} with classes on "
            f"axis {axis} need {outer * inner} labels, integers from 0 to {classes - 1}",
        )
    return outer, classes, inner


def refuse_swapped(bottom: Blobs, axis: int) -> None:
    """Raise LayerError if bottom[0] does as labels of bottom[1], and bottom[1] not as those of bottom[0].

    Also if of the two only bottom[1] has the axis of the classes: (N, C, H, W) for labels, (N,) for scores.
    """
    lacks_classes = bottom[0].num_axes > 0 and _has_axis(bottom[1], axis) and not _has_axis(bottom[0], axis)
    if lacks_classes or (_are_labels(bottom[0], bottom[1], axis) and not _are_labels(bottom[1], bottom[0], axis)):
        raise LayerError(
            "bottom[0]",
            shape_string(bottom[0].shape),
            f"scores and labels seem to be swapped: name the scores first, {shape_string(bottom[1].shape)}, then the "
            "labels",
        )


def _has_axis(blob: Blob, axis: int) -> bool:
    return -blob.num_axes <= axis < blob.num_axes


def _are_labels(labels: Blob, scores: Blob, axis: int) -> bool:
    """Whether there is one label for each position of the scores, whose classes are on `axis`."""
    return _has_axis(scores, axis) and scores.count > 0 and labels.count * scores.shape[axis] == scores.count


def read_labels(values: Array, classes: int, ignore: int | None, ignore_param: str = "") -> Array:
    """Return labels as flat int64, fractions cut off as Caffe does.

    Raises LayerError as `wrong_label` for one that is neither 0 .. classes - 1 nor `ignore`.
    """
    flat = values.reshape(-1)
    with np.errstate(invalid="ignore"):  # NaN becomes some integer, which the check below finds
        labels: Array = flat.astype(np.int64)
    wrong = (labels < 0) | (labels >= classes) | ~np.isfinite(flat)
    if ignore is not None:
        wrong &= labels != ignore
    if wrong.any():
        place = int(np.argmax(wrong))
        raise wrong_label(place, float(flat[place]), classes, ignore, ignore_param)
    return labels


def wrong_label(place: int, value: float, classes: int, ignore: int | None, ignore_param: str) -> LayerError:
    """Return the error for the label at `place`, which is none of the classes, with advice that fits its value.

    ignore: the label that is left out, if there is one. ignore_param: the message of prototxt that has the layer's
    ignore_label, or "" where the layer has none.
    """
    if not value.is_integer():
        advice = "it is no whole number: mend the data"
    elif value < 0:
        advice = _leave_out(value, ignore, ignore_param)
    else:
        advice = "raise num_output of the layer that makes the scores, or mend the data"
        if value == classes:
            advice += ": labels are counted from 0"
        elif value == UNLABELLED and ignore_param:
            advice += "; " + _leave_out(value, ignore, ignore_param)
    problem = f"there are {classes} classes, so labels are 0 to {classes - 1}"
    return LayerError(f"label {place} of bottom[1]", f"{value:g}", f"{problem}; {advice}")


def _leave_out(value: float, ignore: int | None, ignore_param: str) -> str:
    if not ignore_param:
        return "this layer cannot leave positions out: mend the data"
    instead = "" if ignore is None else f" instead of {ignore}"
    return f"to leave such positions out write {ignore_param} {{ ignore_label: {value:g} }}{instead}"
