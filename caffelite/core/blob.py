"""Blob: data and diff, two arrays of one shape, in storage that is kept when the blob shrinks."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from caffelite.core import container
from caffelite.core.aligned import aligned_zeros
from caffelite.core.errors import NetError, OutOfMemoryError, UsageError
from caffelite.core.figures import HEAD, figures_of
from caffelite.core.format import shape_string
from caffelite.core.tables import html_table

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

MAX_AXES = 32
MAX_COUNT = 2**31 - 1
SHOWN = 2**24  # elements of a blob whose values are looked at where its text is asked for
LARGE = 2**26  # bytes from which on it is worth asking the system whether they are there


class Blob:
    """Values (`data`) and gradients (`diff`) of one shape, C-contiguous, float32 unless told otherwise.

    Both arrays read as zeros until written. `data` and `diff` are views of the blob's storage, which lives on while
    the blob shrinks or grows back; growing beyond the largest count so far replaces both by zeros.
    A pinned blob is one that somebody looks at: plans fill it at each pass, and its `data` and `diff` are new array
    objects each time, so that `blob.data.shape = ...` changes nobody else's. Others give the same object again, which
    takes a tenth of the time.
    """

    __slots__ = ("_capacity", "_count", "_data", "_data_view", "_diff", "_diff_view", "_shape", "dtype", "pinned")

    def __init__(self, shape: Shape | None = None, dtype: npt.DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self.pinned = False
        self._shape: Shape = ()
        self._count = self._capacity = 0
        self._data: Array | None = None
        self._diff: Array | None = None
        self._data_view: Array | None = None
        self._diff_view: Array | None = None
        if shape is not None:
            self.reshape(*shape)

    @property
    def shape(self) -> Shape:
        """Size of each axis, slowest first; () for a scalar."""
        return self._shape

    @property
    def count(self) -> int:
        """Number of elements; 0 until the blob is first reshaped."""
        return self._count

    @property
    def num_axes(self) -> int:
        """Number of axes."""
        return len(self._shape)

    @property
    def num(self) -> int:
        """Size of axis 0, or 1; NetError with more than 4 axes."""
        return self._legacy_shape(0)

    @property
    def channels(self) -> int:
        """Size of axis 1, or 1; NetError with more than 4 axes."""
        return self._legacy_shape(1)

    @property
    def height(self) -> int:
        """Size of axis 2, or 1; NetError with more than 4 axes."""
        return self._legacy_shape(2)

    @property
    def width(self) -> int:
        """Size of axis 3, or 1; NetError with more than 4 axes."""
        return self._legacy_shape(3)

    def _legacy_shape(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise NetError(
                f"a blob of shape {shape_string(self._shape)} has no num, channels, height, width; use shape"
            )
        return self._shape[axis] if axis < len(self._shape) else 1

    def reshape(self, *dims: int) -> None:
        """Set the shape; `reshape()` makes a scalar. NetError if a size is negative or the blob is beyond 2^31 - 1."""
        shape = tuple(map(_as_size, dims))
        if shape == self._shape and self._count:
            return
        count = prod(shape)
        if min(shape, default=0) < 0 or len(shape) > MAX_AXES or count > MAX_COUNT:
            raise NetError(
                f"a blob cannot have the shape {shape_string(shape)}: "
                f"at most {MAX_AXES} axes, no negative size and at most 2^31 - 1 elements"
            )
        if count > self._capacity:
            self._capacity = count
            self._data = self._diff = None
        self._shape, self._count = shape, count
        self._data_view = self._diff_view = None

    def reshape_like(self, other: Blob) -> None:
        """Take the shape of `other`; none as long as that one has none."""
        if other._shape or other._count:
            self.reshape(*other.shape)

    @property
    def data(self) -> Array:
        """The values, as a view of the storage in the blob's shape; NetError if the blob never got a shape."""
        view = self._data_view
        if view is None:
            view = self._data_view = self.data_storage()[: self._count].reshape(self._shape)
        return view[...] if self.pinned else view

    @data.setter
    def data(self, values: object) -> None:
        raise AttributeError("a blob is filled, not replaced: write blob.data[...] = values")

    @property
    def diff(self) -> Array:
        """The gradients, as `data`."""
        view = self._diff_view
        if view is None:
            view = self._diff_view = self.diff_storage()[: self._count].reshape(self._shape)
        return view[...] if self.pinned else view

    @diff.setter
    def diff(self, values: object) -> None:
        raise AttributeError("a blob is filled, not replaced: write blob.diff[...] = values")

    def data_storage(self) -> Array:
        """Flat storage of `data`, made when first needed; at least `count` elements."""
        if self._data is None or self._data.size < self._count:
            self._data, self._data_view = self._new_storage(), None
        return self._data

    def diff_storage(self) -> Array:
        """Flat storage of `diff`, made when first needed; at least `count` elements."""
        if self._diff is None or self._diff.size < self._count:
            self._diff, self._diff_view = self._new_storage(), None
        return self._diff

    def _new_storage(self) -> Array:
        if self._shape == () and self._count == 0:
            raise NetError(
                "the blob has no shape yet; reshape it, or give its Input layer a shape, before using its data or diff"
            )
        size = self._capacity * self.dtype.itemsize
        if size > LARGE:
            container.require(size, f"a blob of shape {shape_string(self._shape)}")
        try:
            return aligned_zeros(self._capacity, self.dtype)
        except OutOfMemoryError as err:
            raise OutOfMemoryError(f"a blob of shape {shape_string(self._shape)}: {err}") from None

    def set_data_storage(self, storage: Array) -> None:
        """Let `data` live in `storage`, a flat array of this dtype with at least `count` elements."""
        assert storage.ndim == 1 and storage.dtype == self.dtype and storage.size >= self._count
        if self._data is not storage:
            self._data, self._data_view = storage, None

    def set_diff_storage(self, storage: Array) -> None:
        """Let `diff` live in `storage`, as `set_data_storage`."""
        assert storage.ndim == 1 and storage.dtype == self.dtype and storage.size >= self._count
        if self._diff is not storage:
            self._diff, self._diff_view = storage, None

    def share_data(self, other: Blob) -> None:
        """Let `data` be the storage of `other`'s, of the same count; the shapes may differ."""
        self._check_count(other)
        self.set_data_storage(other.data_storage())

    def share_diff(self, other: Blob) -> None:
        """Let `diff` be the storage of `other`'s, of the same count; the shapes may differ."""
        self._check_count(other)
        self.set_diff_storage(other.diff_storage())

    def _check_count(self, other: Blob) -> None:
        if other.count != self._count:
            raise NetError(
                f"blobs of {shape_string(self._shape)} and {shape_string(other.shape)} cannot share: counts differ"
            )

    def canonical_axis(self, axis: int) -> int:
        """Return the axis counted from the front; IndexError unless -num_axes <= axis < num_axes."""
        if not -len(self._shape) <= axis < len(self._shape):
            raise IndexError(axis)
        return axis % len(self._shape)

    def count_between(self, start: int, end: int | None = None) -> int:
        """Return the product of the sizes of axes start .. end - 1 (to the last axis by default); 1 for none."""
        return prod(self._shape[start:end])

    def __repr__(self) -> str:
        text = f"Blob {shape_string(self._shape)} {self.dtype}"
        if self._data is None or not 0 < self._count <= SHOWN:
            return f"<{text}>"
        return f"<{text}: {figures_of(self.data).text()}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks: what data and diff hold."""
        rows: list[tuple[str, ...]] = [("", *HEAD)]
        for name, array in (("data", self._data), ("diff", self._diff)):
            known = array is not None and self._count
            cells = figures_of(getattr(self, name)).cells() if known else ["not made yet"] + [""] * (len(HEAD) - 1)
            rows.append((name, *cells))
        return html_table(rows, range(1, len(HEAD) + 1), caption=f"Blob {shape_string(self._shape)} {self.dtype}")

    def __reduce__(self) -> Any:
        """Copy or pickle shape and values, not what lies beyond `count`; the copy has its own storage, in no net."""
        shaped = self._shape != () or self._count
        data = None if self._data is None else self.data
        diff = None if self._diff is None else self.diff
        return _restored, (self._shape if shaped else None, self.dtype.str, data, diff)


def number_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the number type of a net's blobs, float32 or float64; UsageError for another one."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found not in (np.float32, np.float64):
        raise UsageError(f"dtype is {dtype!r}; use np.float32, or np.float64 for gradient checks")
    return found


def _restored(shape: Shape | None, dtype: str, data: Array | None, diff: Array | None) -> Blob:
    """Return a blob with these values; None stands for zeros that nobody asked for yet."""
    blob = Blob(shape, dtype)
    if data is not None:
        blob.data[...] = data
    if diff is not None:
        blob.diff[...] = diff
    return blob


def _as_size(dim: Any) -> int:
    """Accept Python and numpy integers; TypeError for anything else (a list, a float), as pycaffe."""
    if isinstance(dim, (int, np.integer)):
        return int(dim)
    raise TypeError(f"a blob's sizes are integers, one argument an axis: reshape(1, 3, 28, 28); got {dim!r}")
