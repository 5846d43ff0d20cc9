"""What holds of layer classes of other packages alone: their faults are said to be theirs, with the layer's line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from caffelite.core.errors import CaffeliteError, LayerError
from caffelite.core.user_code import note

if TYPE_CHECKING:  # which imports this module
    from caffelite.core.layer import Blobs, Layer, State

STATE_KINDS = "biufU"  # numpy's: truth values, integers, numbers, text


def is_ours(layer_class: type[Any]) -> bool:
    """Whether the class is of this package, whose layers all say what they do where it is not the usual."""
    return layer_class.__module__.partition(".")[0] == __name__.partition(".")[0]


def described(layer_class: type[Any]) -> str:
    """Return the class's module and name."""
    return f"{layer_class.__module__}.{layer_class.__qualname__}"


class Noting:
    """What a class of another package raises in the block, in its method `doing`, gets a note that names the layer.

    Its traceback leads to the class, of which a net may have several layers.
    """

    def __init__(self, layer: Layer, doing: str) -> None:
        self.layer, self.doing = layer, doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, traceback: object) -> None:
        if not isinstance(err, Exception) or isinstance(err, (CaffeliteError, MemoryError)):
            return
        if not self.layer.notes_errors and not is_ours(type(self.layer)):
            note(err, self.layer.located(f"raised in {self.doing} of {described(type(self.layer))}"))


def checked_state(state: Any, whose: str) -> State:
    """Return what get_state of the user's class `whose` gave; LayerError for what no snapshot can hold."""
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise LayerError(f"{whose}.get_state()", repr(state), 'return a dict of names and values, {"count": 3}')
    for name, value in state.items():
        try:
            kind = np.asarray(value).dtype.kind
        except ValueError:  # lists of different lengths
            kind = "O"
        if kind not in STATE_KINDS:
            raise LayerError(
                f"{whose}.get_state()[{name!r}]",
                type(value).__name__,
                "a snapshot holds numbers, strings and arrays of them",
            )
    return dict(state)


def check_shaped(top: Blobs, whose: str) -> None:
    """Raise LayerError for a top that has no shape, though the layer is set up; `whose` is the class to change."""
    for index, blob in enumerate(top):
        if not blob.count and not blob.shape:
            raise LayerError(
                f"top[{index}]", "without a shape", f"call top[{index}].reshape(...) in setup or reshape of {whose}"
            )
