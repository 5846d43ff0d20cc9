"""What of a net is filled, never replaced, since the net would not see another: its dicts of blobs, its properties."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from caffelite.core.errors import UnknownNameError
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.core.vectors import BlobVec

V = TypeVar("V")
FIRST = 5  # names that an error lists where none is like the unknown one


class fixed_property(cached_property[V]):
    """A property that is computed once and cannot be assigned."""

    def __set__(self, instance: object, value: object) -> NoReturn:
        raise AttributeError(f"{self.attrname} of a {type(instance).__name__} cannot be replaced")


class ByName(OrderedDict[str, V]):
    """An OrderedDict that answers an unknown name with the nearest known one, by an UnknownNameError, a KeyError."""

    noun = "entry"  # what the names are of

    def __missing__(self, name: object) -> NoReturn:
        hint = did_you_mean(name, self)
        if not hint and self:
            hint = f"; there are {', '.join([*self][:FIRST])}{', ...' if len(self) > FIRST else ''}"
        raise UnknownNameError(f'no {self.noun} "{name}"{hint}')


class ByLayer(ByName[V]):
    """Something for each layer, by its name."""

    noun = "layer"


class ByBlob(ByName[V]):
    """Something for each blob, by its name."""

    noun = "blob"


class FixedDict(ByBlob[V]):
    """Blobs, or lists of them, by name; TypeError for `blobs["a"] = values`. A copy is a plain OrderedDict."""

    instead = "net.blobs[{name!r}].data[...] = values"  # what to write

    def __init__(self, items: Iterable[tuple[str, V]]) -> None:
        super().__init__()
        for name, value in items:
            super().__setitem__(name, value)

    def __setitem__(self, name: str, values: Any) -> NoReturn:
        raise TypeError(f"a blob is filled, not replaced: write {self.instead.format(name=name)}")

    def copy(self) -> OrderedDict[str, V]:  # type: ignore[override]  # the copy may be changed
        """Return a plain OrderedDict with the same entries."""
        return OrderedDict(self.items())

    def __reduce__(self) -> Any:
        return OrderedDict, (list(self.items()),)


class Params(FixedDict[BlobVec]):
    """The parameters of each layer, by its name."""

    instead = "net.params[{name!r}][0].data[...] = values"
    noun = "layer with parameters"
