"""Fields of forks in a solver: without effect here, or refused by name."""

from __future__ import annotations

from caffelite.core.errors import SolverError
from caffelite.core.prototxt.forks import fork_field
from caffelite.core.prototxt.given import changes, fields_of, refusal
from caffelite.core.solver.file import SolverFile


def refuse_fork_fields(file: SolverFile) -> None:
    """Raise SolverError for the first field that would change what is trained."""
    for given in fields_of(file.param, "", repeated=False):
        known = fork_field(given.message, given.known.name)
        if known is not None and not known.is_harmless and changes(given, known):
            raise SolverError(file.where(given.path) + refusal(given, known))


def fields_without_effect(file: SolverFile) -> list[str]:
    """Return a warning for each harmless field."""
    return [
        f"{file.where(given.path)}{given.path} ({known.whose}'s) has no effect: {known.does}"
        for given in fields_of(file.param, "", repeated=False)
        if (known := fork_field(given.message, given.known.name)) and known.is_harmless and changes(given, known)
    ]
