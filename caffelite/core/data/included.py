"""Databases that can be made when a prototxt names them; caffelite/datasets/ knows which and says so here.

core/ does not import what is built on it, so the package tells core/ whom to ask.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from caffelite.core.errors import DataError
from caffelite.core.files import NoSuchFileError, find_file


class Records(NamedTuple):
    """What is known of a database before it is there: how many images, each of shape (C, H, W)."""

    images: int
    shape: tuple[int, ...]


class Maker(Protocol):
    """Knows databases by the paths that prototxt files give."""

    def make_if_included(self, source: str) -> bool:
        """Make the database at path `source` and return True, if all it takes is there."""

    def command_for(self, source: str) -> str:
        """Return the command that makes the database at path `source`; "" if none does."""

    def records_of(self, source: str) -> Records | None:
        """Return what the database at path `source` holds, whether it is there or not; None if that is not known."""


_makers: list[Maker] = []


def add_maker(maker: Maker) -> None:
    """Ask `maker`, too, for databases that are missing."""
    _makers.append(maker)


def make_if_included(source: str) -> bool:
    """Return whether the missing database at path `source` was made."""
    return any(maker.make_if_included(source) for maker in _makers)


def command_for(source: str) -> str:
    """Return the command that makes the database at path `source`; "" if nobody knows one."""
    return next(filter(None, (maker.command_for(source) for maker in _makers)), "")


def find_or_make(name: str, folder: Path | None, expected: str) -> Path:
    """Return where the database or list is that a prototxt in `folder` names; one that comes with caffelite is made.

    Raises DataError if it is missing, with the command that makes it if there is one, else with what is `expected`.
    """
    try:
        return find_file(name, folder)
    except NoSuchFileError as err:
        if make_if_included(name):
            return Path(name)
        command = command_for(name)
        advice = f"make it with `{command}`" if command else f"{expected} is expected"
        raise DataError(f"{err}; {advice}") from None


def records_of(source: str) -> Records | None:
    """Return what the database at path `source` holds, whether it is there or not; None if nobody knows."""
    return next(filter(None, (maker.records_of(source) for maker in _makers)), None)
