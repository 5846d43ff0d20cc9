"""Looking inside a net: its summary, formulas, why a value is what it is, statistics. It changes nothing it shows.

Most of it is reached from a net: `net.summary()`, `net.explain(...)`, `net.why(...)`, `net.statistics()`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffelite.inspection.explain import Explanation, explanation_of_file
    from caffelite.inspection.statistics import Statistics, Table
    from caffelite.inspection.summary import Summary, summary_of_file
    from caffelite.inspection.why import Term, Why

_FILES = {
    "Explanation": "explain",
    "Statistics": "statistics",
    "Summary": "summary",
    "Table": "statistics",
    "Term": "why",
    "Why": "why",
    "explanation_of_file": "explain",
    "summary_of_file": "summary",
}
__all__ = ["Explanation", "Statistics", "Summary", "Table", "Term", "Why", "explanation_of_file", "summary_of_file"]


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
