"""The mean of images, as commands take it: from a mean file, or the numbers of each channel written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.data.mean import read_mean
from caffelite.core.errors import UsageError, WeightsError
from caffelite.core.files import file_problem


def channel_mean(given: str) -> Array:
    """Return a value for each channel, float64, in the net's order (BGR); takes and raises what mean_values does."""
    values = mean_values(given)
    mean: Array = values.reshape(len(values), -1).mean(1, dtype=np.float64)
    return mean


def mean_values(given: str) -> Array:
    """Return a mean, (C) or (C, H, W), in the net's order (BGR).

    `given` are numbers with commas, "104,117,123", or a file: binaryproto, HDF5 or .npy, of (C), (C, H, W) or
    (1, C, H, W). Raises UsageError, or WeightsError with the file's name.
    """
    try:
        return np.array([float(number) for number in given.split(",")])
    except ValueError:
        pass  # a file's name
    if problem := file_problem(given):
        raise UsageError(
            f"{problem}; a mean is a file, or numbers with commas such as 104,117,123 (looked in {Path.cwd()})"
        )
    values = _npy(given) if given.endswith(".npy") else _stored(given)
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim not in (1, 3) or values.size == 0 or values.dtype.kind not in "fiu":
        raise UsageError(f"{given}: a mean is numbers of the shape (C), (C, H, W) or (1, C, H, W), not {values.shape}")
    return values


def _stored(path: str) -> Array:
    try:
        return read_mean(Path(path))
    except WeightsError as err:
        text = err.message()
        raise WeightsError(text if text.startswith(path) else f"{path}: this is no mean file ({text})") from None


def _npy(path: str) -> Array:
    try:
        values: Array = np.load(path, mmap_mode="r")  # which takes no memory for a size that the file only claims
        return values
    except ValueError as err:
        raise UsageError(f"{path}: this is no .npy file of numbers ({err})") from None
