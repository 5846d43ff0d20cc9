"""Images of another size: linear or nearest, in numpy, and splines by SciPy. Source: python/caffe/io.py, resize_image.

Caffe takes two functions of others, which place pixels differently. For 1 or 3 channels it is skimage.transform.resize:
a pixel is an area, and the edges of both images agree. For others it is scipy.ndimage.zoom: a pixel is a point, and the
corner points agree.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from caffelite.core import container
from caffelite.core.blob import LARGE, Array
from caffelite.core.errors import UsageError

Size = tuple[int, int]
LINEAR = 1
HIGHEST = 5  # the order of a spline
AT_ONCE = 3  # arrays of the resized image that are there at one time
PER_POSITION = 4  # numbers kept for each row and column
TRUNCATE = 4.0  # standard deviations, where the Gaussian is cut off


def resize_image(
    im: npt.ArrayLike, new_dims: Sequence[int] | Array, interp_order: int = 1, *, anti_aliasing: bool = False
) -> Array:
    """Return an image (H, W, K) in the size `new_dims` = (height, width), float32.

    `interp_order` is 0 (nearest), 1 (linear), or up to 5 for splines, which SciPy computes. With 1 or 3 channels what
    lies outside of the image counts as its smallest value, so that the edges of an enlarged image are pulled there, as
    in Caffe; any other number of channels keeps the values of its corners.

    `anti_aliasing` smooths what shrinks by a Gaussian of the standard deviation (factor - 1) / 2, as scikit-image has
    done by itself since pycaffe was written; images of 1 or 3 channels only.

    Raises UsageError, a ValueError, for an array of other than 3 axes or without values, or for no size.
    """
    image = np.asarray(im)
    if image.ndim != 3:
        hint = "; write im[:, :, np.newaxis]" if image.ndim == 2 else ""
        raise UsageError(f"an image to resize has the axes (H, W, K), not the shape {image.shape}{hint}")
    size = _size(new_dims)
    if image.size == 0:
        raise UsageError(f"an image of the shape {image.shape} cannot be resized: it has no values")
    if interp_order not in range(HIGHEST + 1):
        raise UsageError(f"interp_order is {interp_order}; use 0 (nearest), 1 (linear), or up to {HIGHEST} (splines)")
    in_areas = image.shape[2] in (1, 3)
    if anti_aliasing and not in_areas:
        raise UsageError(f"anti_aliasing is for images of 1 or 3 channels, not of {image.shape[2]}")
    if size == image.shape[:2]:
        return image.astype(np.float32)
    _check_memory(image.shape, size)
    return _by_areas(image, size, interp_order, anti_aliasing) if in_areas else _by_corners(image, size, interp_order)


def _size(new_dims: Sequence[int] | Array) -> Size:
    try:
        height, width = (operator.index(dim) for dim in new_dims)
    except (TypeError, ValueError):
        raise UsageError(f"new_dims is {new_dims!r}; give (height, width), whole numbers") from None
    if min(height, width) < 1:
        raise UsageError(f"new_dims is {new_dims!r}; give 1 or more for height and width")
    return height, width


def _check_memory(shape: tuple[int, ...], size: Size) -> None:
    """Raise UsageError for a size that memory cannot hold; the system would end the process."""
    values = size[0] * max(shape[1], size[1]) * shape[2] + PER_POSITION * sum(size)
    needed = AT_ONCE * values * np.dtype(np.float64).itemsize
    if needed > LARGE and needed > (have := container.available()):
        raise UsageError(
            f"an image of {size[0]} x {size[1]} needs {container.human(needed)} of memory while it is resized, and "
            f"{container.human(have)} are available"
        )


def _by_areas(image: Array, size: Size, order: int, anti_aliasing: bool) -> Array:
    """Return an image, (H, W, K), in the size (height, width), float32; it is surrounded by its smallest value.

    `anti_aliasing`: what shrinks is smoothed before, by a Gaussian of the standard deviation (factor - 1) / 2.
    """
    low = float(image.min()) if image.size else 0.0
    if order > LINEAR:
        return _splines_by_areas(image, size, order, anti_aliasing, low)
    result = image
    for axis, target in enumerate(size):
        source = image.shape[axis]
        positions = (np.arange(target) + 0.5) * (source / target) - 0.5
        sigma = max(0.0, (source / target - 1) / 2) if anti_aliasing else 0.0
        result = _weighted(result, axis, *_taps(positions, source, order, sigma), low)
    return result.astype(np.float32)


def _by_corners(image: Array, size: Size, order: int) -> Array:
    """Return an image, (H, W, K), in the size (height, width), float32; a size of 1 takes the first row or column."""
    if order > LINEAR:
        factors = [target / source for target, source in zip(size, image.shape, strict=False)]
        return _ndimage().zoom(image.astype(np.float64), (*factors, 1), order=order).astype(np.float32)  # type: ignore[no-any-return]
    result = image
    for axis, target in enumerate(size):
        positions = np.arange(target) * ((image.shape[axis] - 1) / max(target - 1, 1))
        result = _weighted(result, axis, *_taps(positions, image.shape[axis], order, 0.0), 0.0)
    return result.astype(np.float32)


def _taps(positions: Array, source: int, order: int, sigma: float) -> tuple[Array, Array]:
    """Return of which pixels of `source` each position takes how much, two arrays (T, positions).

    The shares of what lies outside are 0, so that they add up to less than 1 there.
    """
    first = np.floor(positions + (0.5 if order == 0 else 0)).astype(np.int64)
    behind = positions - first if order == LINEAR else np.zeros(len(positions))
    index = np.stack([first, first + 1])
    share = np.where((index >= 0) & (index < source), np.stack([1 - behind, behind]), 0.0)
    if sigma > 0:
        radius = int(TRUNCATE * sigma + 0.5)
        bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        smooth = np.zeros((2 * radius + 2, len(positions)))
        smooth[:-1] += share[0] * (bell / bell.sum())[:, np.newaxis]
        smooth[1:] += share[1] * (bell / bell.sum())[:, np.newaxis]
        index = first + np.arange(-radius, radius + 2)[:, np.newaxis]
        share = np.where((index >= 0) & (index < source), smooth, 0.0)
    return np.clip(index, 0, source - 1), share


def _weighted(image: Array, axis: int, index: Array, share: Array, outside: float) -> Array:
    """Return the sums of pixels times shares along an axis, float64; what is missing of 1 is of the value `outside`."""
    along = [1] * image.ndim
    along[axis] = -1
    missing = 1 - share.sum(axis=0)
    result = np.zeros((*image.shape[:axis], index.shape[1], *image.shape[axis + 1 :]))
    result += (missing * outside).reshape(along)
    for pixels, part in zip(index, share, strict=True):
        result += np.take(image, pixels, axis) * part.reshape(along)
    return result


def _splines_by_areas(image: Array, size: Size, order: int, anti_aliasing: bool, low: float) -> Array:
    """Do _by_areas for splines. Where they overshoot the range of the image's values they are cut off."""
    ndimage = _ndimage()
    high = float(image.max())
    above = image.astype(np.float64) - low
    factors = [target / source for target, source in zip(size, image.shape, strict=False)]
    if anti_aliasing:
        sigmas = [max(0.0, (1 / factor - 1) / 2) for factor in factors]
        above = ndimage.gaussian_filter(above, (*sigmas, 0), mode="constant", truncate=TRUNCATE)
    result = ndimage.zoom(above, (*factors, 1), order=order, mode="grid-constant", grid_mode=True)
    return (np.clip(result, 0, high - low) + low).astype(np.float32)  # type: ignore[no-any-return]


def _ndimage() -> Any:
    try:
        return import_module("scipy.ndimage")
    except ImportError:
        raise UsageError("interp_order of 2 or more needs SciPy: pip install scipy; or use 0 (nearest) or 1") from None
