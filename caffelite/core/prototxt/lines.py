"""The line on which each field of a prototxt stands, which a parsed message forgets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from caffelite.proto.caffe_pb2 import LayerParameter

_LAST_PART = re.compile(r"(^|[.\[])[^.\[]*$")  # of any text: what a user's layer names need be no path


class Lines:
    """Table `layer[3].pooling_param.stride -> 67` of one file.

    Entries of repeated fields are numbered from 0; a message's own entry is the line where it begins.
    """

    def __init__(self, file: str, table: Mapping[str, int], left_out: tuple[str, ...] = ()) -> None:
        """`left_out` are warnings of fields that were not read."""
        self.file, self.table, self.left_out = file, dict(table), left_out

    def line(self, path: str) -> int | None:
        """Return the line of the field, of its first entry, or else of the message around it; None outside of all."""
        while path:
            for known in (path, f"{path}[0]"):
                if known in self.table:
                    return self.table[known]
            path = _LAST_PART.sub("", path)
        return None

    def where(self, path: str) -> str:
        """Return `file:67: ` for the beginning of an error text, or `file: ` where no line is known."""
        line = self.line(path)
        return f"{self.file}: " if line is None else f"{self.file}:{line}: "

    def under(self, prefix: str) -> Lines:
        """Return the lines of the message at `prefix`, such as a solver's net_param."""
        start = f"{prefix}."
        return Lines(
            self.file, {path[len(start) :]: line for path, line in self.table.items() if path.startswith(start)}
        )

    def moved(self, moves: Mapping[str, str | None]) -> Lines:
        """Return the lines with messages and fields renamed, as an upgrade moves them: old path -> new path.

        What stands inside a moved message moves along, unless it has a move of its own; None forgets it.
        """
        table: dict[str, int] = {}
        for path, line in self.table.items():
            moved = _moved(path, moves)
            if moved is not None:
                table[moved] = line
        return Lines(self.file, table)


def _moved(path: str, moves: Mapping[str, str | None]) -> str | None:
    head = path
    while head:
        if head in moves:
            target = moves[head]
            return None if target is None else target + path[len(head) :]
        head = _LAST_PART.sub("", head)
    return path


@dataclass(frozen=True)
class Place:
    """A message in a file, such as `layer[3]`."""

    lines: Lines
    prefix: str

    def where(self, field: str = "") -> str:
        """Return `file:67: ` for a field of the message, or for the message itself."""
        return self.lines.where(f"{self.prefix}.{field}" if field else self.prefix)


def where(place: Place | None, field: str = "") -> str:
    """Return `file:67: `, or "" for a layer that comes from no file."""
    return "" if place is None else place.where(field)


def at_layer(layer: LayerParameter, place: Place | None, field: str = "") -> str:
    """Return `file:67: layer "conv1" (Convolution): `, the line being that of the field if one is given."""
    return f'{where(place, field)}layer "{layer.name}" ({layer.type}): '
