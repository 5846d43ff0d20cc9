"""What cv2.dnn's functions are called with, brought to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import UsageError

_SCALAR = 4  # numbers of a cv::Scalar


def input_blob(blob: Any, scalefactor: float, mean: Any) -> Array:
    """Return `(blob - mean) * scalefactor` in float32, a copy; the mean is one number a channel, those left out are 0.

    UsageError for what is no array of numbers, or empty, and for a mean or factor that is no number. None for these
    is that of OpenCV: no mean, and 1.
    """
    if hasattr(blob, "get") and not isinstance(blob, np.ndarray):
        blob = blob.get()  # cv2.UMat
    if not isinstance(blob, np.ndarray) or blob.dtype.kind not in "iuf":
        kind = f"an array of {blob.dtype}" if isinstance(blob, np.ndarray) else type(blob).__name__
        raise UsageError(f"setInput takes an array of numbers (N, C, H, W), as of blobFromImage, not {kind}")
    if not blob.size:
        raise UsageError(f"setInput was given an empty array {blob.shape}; was the image read?")
    values = np.array(blob, np.float32, order="C")
    means = _scalar(mean)
    if means.any():
        if values.ndim < 2 or values.shape[1] > _SCALAR:
            raise UsageError(
                f"a mean is for up to {_SCALAR} channels, and the array is {values.shape}; subtract it before"
            )
        values -= means[: values.shape[1]].reshape(-1, *[1] * (values.ndim - 2))
    values *= as_numbers(1 if scalefactor is None else scalefactor, "scalefactor")
    return values


def as_numbers(given: Any, name: str) -> Array:
    """Return what an argument gives as an array of float32; UsageError for what is no number or array of such."""
    try:
        return np.asarray(given, np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"{name} takes numbers, not {given!r}") from None


def _scalar(mean: Any) -> Array:
    given = as_numbers(() if mean is None else mean, "mean").reshape(-1)
    if given.size > _SCALAR:
        raise UsageError(f"mean has {given.size} numbers; give up to {_SCALAR}, one a channel")
    return np.pad(given, (0, _SCALAR - given.size))


def input_shapes(given: Any, inputs: Sequence[str]) -> Mapping[str, Shape]:
    """Return the shape of each input from one shape, or from a list with one for each input."""
    try:
        several = [given] if np.ndim(given[0]) == 0 else list(given)
        shapes = [tuple(int(size) for size in shape) for shape in several]
    except (TypeError, IndexError, ValueError):
        raise UsageError(f"the shape of an input is like (1, 3, 224, 224), not {given!r}") from None
    if len(shapes) != len(inputs):
        raise UsageError(f"{len(shapes)} shapes for the {len(inputs)} inputs {', '.join(inputs)}; give one for each")
    return dict(zip(inputs, shapes, strict=True))


def as_mat(values: Array, is_row: bool = False) -> Array:
    """Return an array with two axes at least, as OpenCV's have: (n, 1), or (1, n) for a row."""
    if values.ndim >= 2:
        return values
    return values.reshape(1, -1) if is_row else values.reshape(-1, 1)
