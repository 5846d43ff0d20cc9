"""Copies of tops that protect values from layers that work in place; see wiring/in_place.py for which need one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from caffelite.core.aligned import aligned_zeros
from caffelite.core.blob import Array, Blob
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string


class OwnMemory:
    """A top that its layer would let live in other memory, or would not fill again, gets memory of its own.

    Its layer still finds the blob as it left it: `give_back` before the layer runs, `take` after that.
    """

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._source: Array | None = None  # where the layer keeps the values
        self._own: Array | None = None

    def give_back(self) -> None:
        """Let the blob be what its layer made it, unless it was given other memory meanwhile."""
        blob, source = self._blob, self._source
        if source is not None and source.size >= blob.count and blob.data_storage() is self._own:
            blob.set_data_storage(source)

    def take(self) -> None:
        """Copy the values into memory that in-place layers may overwrite, and let the blob live there."""
        count = self._blob.count
        self._source = self._blob.data_storage()
        if self._own is None or self._own.size < count:
            self._own = aligned_zeros(count, self._blob.dtype)
        self._own[:count] = self._source[:count]
        self._blob.set_data_storage(self._own)


class BottomCopy:
    """The bottom of a layer that cannot work in place where the net asks for that: the layer reads `blob`, a copy.

    Its top stays the blob that both names mean, so it has to be of the same shape.
    """

    def __init__(self, of: Blob) -> None:
        self._of = of
        self.blob = Blob(dtype=of.dtype)
        self.reshape()

    def reshape(self) -> None:
        """Take the shape of the bottom, before the layer shapes its top."""
        self.blob.reshape_like(self._of)

    def check(self) -> None:
        """Raise LayerError if the layer gave its top another shape: who makes the bottom would find it changed."""
        if self._of.shape != self.blob.shape:
            wanted, got = shape_string(self.blob.shape), shape_string(self._of.shape)
            self._of.reshape_like(self.blob)
            raise LayerError(
                "top", "the bottom itself", f"a bottom of {wanted} would become {got}; give the top another name"
            )

    def take(self) -> None:
        """Copy the values, before the layer overwrites them."""
        self.blob.data[...] = self._of.data

    def give_gradient(self) -> None:
        """Let the gradient of the copy be that of the bottom."""
        self._of.diff[...] = self.blob.diff


class KeptTop:
    """The values of a top as its layer made them, for the layer's gradient, which reads them."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._copy: Array | None = None

    def keep(self) -> None:
        """Copy the values, before an in-place layer overwrites them."""
        count = self._blob.count
        if self._copy is None or self._copy.size < count:
            self._copy = aligned_zeros(count, self._blob.dtype)
        self._copy[:count] = self._blob.data_storage()[:count]

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the blob show the kept values."""
        present = self._blob.data_storage()
        if self._copy is not None and self._copy.size >= self._blob.count:
            self._blob.set_data_storage(self._copy)
        try:
            yield
        finally:
            self._blob.set_data_storage(present)


class LossDiff:
    """The diff of a weighted top that its layer works on in place: backward writes the bottom's gradient over it.

    What the net or the user put there is put back for the next pass, unless the user wrote something else meanwhile.
    """

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._given: Array | None = None  # what was there before the last pass back, and the storage it was in
        self._left: Array | None = None  # what that pass left there
        self._storage: Array | None = None

    def put_aside(self) -> None:
        """Copy the diff, before the layer runs backward."""
        self._storage, self._left = self._blob.diff_storage(), None
        self._given = self._storage.copy()

    def note_left(self) -> None:
        """Look at what a pass back left in the diff."""
        if self._storage is not None:
            self._left = self._storage.copy()

    def put_back(self) -> None:
        """Let the diff be what it was before the last pass back."""
        storage, given = self._blob.diff_storage(), self._given
        unchanged = self._left is not None and np.array_equal(storage, self._left, equal_nan=True)
        if given is not None and storage is self._storage and unchanged:
            storage[:] = given
            self._left = None
