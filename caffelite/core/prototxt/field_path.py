"""What one step of an upgrade hands to the next."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from caffelite.core.prototxt.lines import Lines
from caffelite.proto.caffe_pb2 import NetParameter

Moves = dict[str, str | None]  # old path -> new path, or None: gone; see Lines.moved


class Note(NamedTuple):
    """A line for the log; severity is INFO or ERROR."""

    severity: str
    text: str


class Upgraded(NamedTuple):
    """A net after one step, the lines of its fields, and what found no place in the new form."""

    param: NetParameter
    lines: Lines
    problems: tuple[str, ...] = ()


def put(target: Any, path: str, value: Any) -> str:
    """Set the field at `path`, such as `convolution_param.pad`, of a message; returns the path of what was set.

    Values of repeated fields are appended: all of a repeated `value`, else the one.
    """
    *front, name = path.split(".")
    for part in front:
        target = getattr(target, part)
        target.SetInParent()
    descriptor = target.DESCRIPTOR.fields_by_name[name]
    if isinstance(descriptor.default_value, list):
        repeated = not isinstance(value, str | bytes) and hasattr(value, "__len__")
        getattr(target, name).extend(value if repeated else [value])
        return path if repeated else f"{path}[0]"
    if descriptor.message_type is not None:
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)
    return path


def prefixed(moves: Mapping[str, str | None], old: str, new: str) -> Moves:
    """Return moves within a message as moves within the file: the message was at path `old` and is at `new`."""
    return {f"{old}.{path}": None if target is None else f"{new}.{target}" for path, target in moves.items()}
