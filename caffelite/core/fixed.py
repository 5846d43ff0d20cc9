"""Lists and dicts of a net's blobs whose entries are filled, never replaced: the net would not see another blob."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from caffelite.core.blob import Blob

V = TypeVar("V")


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


class FixedDict(OrderedDict[str, V]):
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
