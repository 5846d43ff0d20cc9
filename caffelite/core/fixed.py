"""Lists and dicts of a net's blobs whose entries are filled, never replaced: the net would not see another blob."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from caffelite.core.blob import Blob
from caffelite.core.errors import UnknownNameError
from caffelite.core.prototxt.suggest import did_you_mean

V = TypeVar("V")
FIRST = 5  # names that an error lists where none is like the unknown one


class ParamList(list[Blob]):
    """The parameters of one layer. It may grow while the layer sets itself up; TypeError for `params[0] = values`."""

    def __init__(self, blobs: Iterable[Blob] = (), layer_name: str = "") -> None:
        super().__init__(blobs)
        self.layer_name = layer_name

    def __setitem__(self, index: Any, values: Any) -> NoReturn:
        raise TypeError(
            f"a parameter is filled, not replaced: write net.params[{self.layer_name!r}]"
            f"[{'...' if isinstance(index, slice) else index}].data[...] = values"
        )


class ByName(OrderedDict[str, V]):
    """An OrderedDict that answers an unknown name with the nearest known one, by an UnknownNameError, a KeyError."""

    noun = "entry"  # what the names are of

    def __missing__(self, name: object) -> NoReturn:
        hint = did_you_mean(name, self) if isinstance(name, str) else ""
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


class Params(FixedDict[list[Blob]]):
    """The parameters of each layer, by its name."""

    instead = "net.params[{name!r}][0].data[...] = values"
    noun = "layer with parameters"
