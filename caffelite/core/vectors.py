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


class Vector(list[T]):
    """The base of these lists."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Vector[T]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return one element, or a vector of the same class."""
        found = super().__getitem__(index)
        return type(self)(found) if isinstance(index, slice) else found


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

    It may grow while the layer sets itself up, by blobs of the number type `dtype`.
    """

    def __init__(self, blobs: Iterable[Blob] = (), layer_name: str = "", dtype: npt.DTypeLike = np.float32) -> None:
        super().__init__(blobs)
        self.layer_name = layer_name
        self.dtype = np.dtype(dtype)

    def add_blob(self, *dims: int) -> None:
        """Append a parameter of this shape, all zeros; `add_blob()` appends a single number."""
        self.append(Blob(dims, self.dtype))

    def __setitem__(self, index: Any, values: Any) -> NoReturn:
        raise TypeError(
            f"a parameter is filled, not replaced: write net.params[{self.layer_name!r}]"
            f"[{_shown(index)}].data[...] = values"
        )


def _shown(index: Any) -> str:
    return "..." if isinstance(index, slice) else str(index)
