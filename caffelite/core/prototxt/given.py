"""Fields that a message has, beside the table of those of forks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffelite.core.prototxt.forks import ForkField


class Given(NamedTuple):
    """A field that is written in a message: its path, its descriptor, its value, and the message it is in."""

    path: str
    known: FieldDescriptor
    value: Any
    message: str


def fields_of(message: Message, prefix: str, repeated: bool) -> Iterator[Given]:
    """Yield the fields that are given; lists of messages only where `repeated`, since stored weights are such."""
    for known, value in message.ListFields():
        if repeated or known.message_type is None or isinstance(value, Message):
            yield Given(f"{prefix}{known.name}", known, value, message.DESCRIPTOR.name)


def changes(given: Given, known: ForkField) -> bool:
    """Whether the value is another than the default, and none that is known to be harmless."""
    if given.known.message_type is not None:
        return True
    return given.value != given.known.default_value and given.value not in known.harmless_values


def refusal(given: Given, known: ForkField) -> str:
    """Return the error text for a field that nobody reads."""
    value = "given" if given.known.message_type is not None else shown(given)
    what = f"{given.path} is {value}, a field of {known.whose}'s Caffe: {known.does}, which is not done here"
    return f"{what}; {known.instead}"


def shown(given: Given) -> str:
    """Return the value as a prototxt has it."""
    if isinstance(given.known.default_value, list):
        return "[" + ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in given.value) + "]"
    if given.known.enum_type is not None and isinstance(given.value, int):
        return str(given.known.enum_type.values_by_number[given.value].name)
    if isinstance(given.value, bool):
        return str(given.value).lower()
    if isinstance(given.value, str):
        return f'"{given.value}"'
    return f"{given.value:g}" if isinstance(given.value, float) else str(given.value)
