"""Python layers of public nets that are built in, taken where the user's folders have no module that works."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

BUILT_IN = {("rpn.proposal_layer", "ProposalLayer"): "caffelite.core.layers.shared.rpn_proposal_layer"}


def built_in_module(module: str, layer: str) -> ModuleType | None:
    """Return our module that has this layer of python_param; None if none is built in."""
    name = BUILT_IN.get((module, layer))
    return None if name is None else import_module(name)


def is_missing(module: str, err: ImportError | SyntaxError) -> bool:
    """Whether the error says that there is no such module, rather than that it cannot be loaded."""
    if not isinstance(err, ModuleNotFoundError) or err.name is None:
        return False
    return f"{module}.".startswith(f"{err.name}.")
