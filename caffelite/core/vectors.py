"""The lists that pycaffe gives its users, of the classes that programs ask for. Source: python/caffe/_caffe.cpp.

Each is a list of Python's, so it also compares, prints and has `index`, which pycaffe's do not; a slice is of the same
class.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, SupportsIndex, TypeVar, overload

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Blob

T = TypeVar("T")
_item = list.__getitem__  # without super(), which takes longer than the rest; layers read their parameters through it


class Vector(list[T]):
    """The base of these lists."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Vector[T]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return one element, or a vector of the same class."""
        found = _item(self, index)
        return type(self)(found) if index.__class__ is slice else found


class StringVec(Vector[str]):
    """Names."""


class IntVec(Vector[int]):
    """Numbers of blobs or sizes."""


class DtypeVec(Vector[float]):
    """Numbers, such as loss weights."""


class BoolVec(Vector[bool]):
    """Truth values: `propagate_down` of a Python layer's backward."""


class LayerVec(Vector[Any]):
    """The layers of a net."""


class NetVec(Vector[Any]):
    """The test nets of a solver."""


class RawBlobVec(Vector[Blob]):
    """The bottoms or tops of a layer written in Python; TypeError for `top[0] = values`."""

    def __setitem__(self, index: Any, values: Any) -> NoReturn:
        raise TypeError(f"a blob is filled, not replaced: write top[{_shown(index)}].data[...] = values")


class BlobVec(Vector[Blob]):
    """The parameters of one layer, or all blobs of a net; TypeError for `params[0] = values`.

    It may grow while the layer sets itself up, by blobs of the number type `dtype`; then the net closes it, and
    TypeError answers who adds or deletes one, which would be no parameter of the net's.
    """

    def __init__(self, blobs: Iterable[Blob] = (), layer_name: str = "", dtype: npt.DTypeLike = np.float32) -> None:
        super().__init__(blobs)
        self.layer_name = layer_name
        self.dtype = np.dtype(dtype)
        self.closed = False

    def add_blob(self, *dims: int) -> None:
        """Append a parameter of this shape, all zeros; `add_blob()` appends a single number."""
        self._check_open()
        blob = Blob(dims, self.dtype)
        blob.pinned = True  # it is made by a user's code
        self.append(blob)

    def append(self, blob: Blob) -> None:
        """Append a parameter; TypeError for what is no blob."""
        if not isinstance(blob, Blob):
            made = "self.blobs.add_blob(2, 3) appends one of this shape, which self.blobs[0].data[...] = values fills"
            raise TypeError(f"a parameter is a Blob, not {type(blob).__name__}: {made}")
        super().append(blob)

    def __delitem__(self, index: Any) -> None:
        self._check_open()
        super().__delitem__(index)

    def _check_open(self) -> None:
        if self.closed:
            raise TypeError(
                f'layer "{self.layer_name}" is set up, and keeps the parameters it has: a layer written in Python adds '
                "its own in setup"
            )

    def __setitem__(self, index: Any, values: Any) -> NoReturn:
        raise TypeError(
            f"a parameter is filled, not replaced: write net.params[{self.layer_name!r}]"
            f"[{_shown(index)}].data[...] = values"
        )


def _shown(index: Any) -> str:
    return "..." if isinstance(index, slice) else str(index)
