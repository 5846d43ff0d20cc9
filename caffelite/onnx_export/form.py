"""How a layer type makes itself known: its form writes the operators that compute what the layer computes.

The files of forms/ are found, not listed: a new type needs a function in one of them, or one file more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeVar

from caffelite.core.registry import Registry

if TYPE_CHECKING:
    from caffelite.onnx_export.writer import Writer

Form = Callable[["Writer"], "str | Sequence[str]"]
F = TypeVar("F", bound=Form)

FORMS: Registry[Form] = Registry("layer type with an ONNX form")
REFUSED: Registry[str] = Registry("layer type without an ONNX form")


def form(*type_names: str) -> Callable[[F], F]:
    """Decorate the function that writes layers of these types.

    It is called with a Writer and returns the name of the value for each top: one name, or one a top. It should write
    the same operators whatever the size of the image: then the model takes images of any size.
    """

    def add(write: F) -> F:
        for name in type_names:
            FORMS.register(name)(write)
        return write

    return add


def refuse(what_to_do: str, *type_names: str) -> None:
    """Say of layer types that they cannot be exported, and what to do instead."""
    for name in type_names:
        REFUSED.register(name)(what_to_do)


def load_forms() -> None:
    """Import the files of forms/, which register the types that they write."""
    package = import_module("caffelite.onnx_export.forms")
    for found in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{found.name}")
