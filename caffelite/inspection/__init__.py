"""Looking inside a net: its summary, formulas, why a value is what it is, statistics. It changes nothing it shows."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffelite.inspection.explain import Explanation, explain

__all__ = ["Explanation", "explain"]
_FILES = {"Explanation": "explain"}  # of names that are not those of their files


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES.get(name, name)}"), name)
