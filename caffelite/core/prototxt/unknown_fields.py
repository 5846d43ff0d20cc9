"""Fields that the schema does not have: what to say of them, and whether they are left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from caffelite.core.prototxt.forks import fork_field
from caffelite.core.prototxt.suggest import any_of, did_you_mean, likeness, nearest
from caffelite.core.prototxt.tokens import Source

if TYPE_CHECKING:  # the command line's help does without protobuf
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

FORKS = 10000  # numbers from here on are of messages that Caffe does not have
MISSPELT = 0.75  # likeness from which on a name is a misspelling, which is never left out
ALLOW = "--allow-unknown-fields (in programs allow_unknown_fields=True) leaves it out"

# Layer type -> messages that its classes read, and fields of them that they do not; core/layer.py fills it.
READ: dict[str, list[tuple[Collection[str], Collection[str]]]] = {}
# Fields of a layer that no message in it has by chance: there a } is missing, or they were written one level too deep.
_OF_LAYERS = ("bottom", "top", "loss_weight", "propagate_down")
_OF_PARAMS = ("lr_mult", "decay_mult")
_OF_V1_LAYERS = ("blobs_lr",)
_NOT_IN_LAYERS = ("NetParameter", "SolverParameter", "V0LayerParameter")
_OWN_ENGINE = re.compile(r"engine\s*:\s*[\"']?(?:CAFFE|DEFAULT)\b")
_allowed: ContextVar[bool] = ContextVar("allow_unknown_fields", default=False)


@contextmanager
def allowing_unknown_fields(allow: bool = True) -> Iterator[None]:
    """Leave unknown fields out of what is read meanwhile, with a warning; with `allow` False all stays as it is."""
    before = _allowed.set(_allowed.get() or allow)
    try:
        yield
    finally:
        _allowed.reset(before)


def are_allowed() -> bool:
    """Whether unknown fields are left out."""
    return _allowed.get()


class LeftOut(NamedTuple):
    """A field that is left out of the text: bytes `start` to `end`; `is_known`: one without effect."""

    name: str
    message: str
    start: int
    end: int
    is_known: bool


def unknown_field(name: str, descriptor: Descriptor, path: str) -> str:
    """Return the error text for a field that the message at `path` does not have."""
    text = f'unknown field "{name}" in {place_of(path) or descriptor.name}'
    if homes := homes_of(name, descriptor.fields):
        return belongs(text, homes)
    if outer := _outer_home(name, descriptor, path):
        return f"{belongs(text, [outer])}, outside of this message"
    if known := fork_field(descriptor.name, name):
        return f"{text}: it is one of {known.whose}'s Caffe: {known.does}, which is not done here; {known.instead}"
    if elsewhere := _forks_home(name, descriptor):
        return f"{belongs(text, [elsewhere])}; {ALLOW}"
    hint = did_you_mean(name, descriptor.fields_by_name)
    if is_misspelling(name, descriptor):
        return text + hint
    return f"{text}{hint} Else {ALLOW}" if hint else f"{text}; {ALLOW}"


def place_of(path: str) -> str:
    """Return the name of the field at `path`, such as `layer[3].transform_param`; "" for the outermost message."""
    return path.rpartition(".")[2].partition("[")[0]


def _outer_home(name: str, descriptor: Descriptor, path: str) -> str:
    """Return the message around this one that has a field of a layer or of its `param`, or ""."""
    if descriptor.name in _NOT_IN_LAYERS:
        return ""
    is_v1 = path.startswith("layers")
    if name in _OF_V1_LAYERS:
        return "layers" if is_v1 else ""
    if name in _OF_LAYERS:
        return "layers" if is_v1 else "layer"
    return "param" if name in _OF_PARAMS and not is_v1 else ""


def _forks_home(name: str, descriptor: Descriptor) -> str:
    """Return the only message that has such a field, if it has it from a fork, as `SolverParameter (SSD's)`; or ""."""
    homes = [
        message.name for message in descriptor.file.message_types_by_name.values() if name in message.fields_by_name
    ]
    known = fork_field(homes[0], name) if len(homes) == 1 else None
    return f"{homes[0]} ({known.whose}'s)" if known else ""


def belongs(text: str, homes: Iterable[str]) -> str:
    """Return the error text for a field that these messages have."""
    return f"{text}; it belongs in {any_of(homes)}"


def may_be_left_out(name: str, descriptor: Descriptor, path: str) -> bool:
    """Whether an unknown field of the message at `path` is neither misspelt nor misplaced."""
    placed = homes_of(name, descriptor.fields) or _outer_home(name, descriptor, path)
    return not placed and not is_misspelling(name, descriptor)


def is_misspelling(name: str, descriptor: Descriptor) -> bool:
    """Whether the name is so like that of a known field that it must be meant; no name that forks have is."""
    if fork_field(descriptor.name, name) or _forks_home(name, descriptor):
        return False
    meant = nearest(name, descriptor.fields_by_name)
    return bool(meant) and likeness(name, meant) >= MISSPELT


def homes_of(name: str, fields: Iterable[FieldDescriptor], layer_type: str = "") -> list[str]:
    """Return the messages one level down that have a field of that name, such as stride's convolution_param.

    Those alone that layers of this type read, if there are such. Those of layers that only forks have are named where
    no other has it.
    """
    homes = [
        known
        for known in fields
        if (message := known.message_type) is not None
        and name in message.fields_by_name
        and message.name != "NetParameter"
    ]
    own = [known.name for known in homes if _is_read(layer_type, known.name, name)]
    return own or [known.name for known in homes if known.number < FORKS] or [known.name for known in homes]


def _is_read(layer_type: str, message: str, name: str) -> bool:
    return any(
        message in messages and f"{message}.{name}" not in not_read for messages, not_read in READ.get(layer_type, ())
    )


def warnings_of(left_out: Iterable[LeftOut], source: Source) -> tuple[str, ...]:
    """Return a warning for each name of a field that was left out, with its first line."""
    by_name: dict[tuple[str, str, bool], list[LeftOut]] = {}
    for field in left_out:
        if field.is_known and _OWN_ENGINE.match(source.text, field.start):
            continue
        by_name.setdefault((field.name, field.message, field.is_known), []).append(field)
    return tuple(_warning(fields, source) for fields in by_name.values())


def _warning(fields: list[LeftOut], source: Source) -> str:
    first = fields[0]
    where = f"{source.file}:{source.line(first.start)}: "
    more = f", and {len(fields) - 1} more" if len(fields) > 1 else ""
    if first.is_known:
        text = " ".join(source.text[first.start : first.end].rstrip(" ,;").split())
        return f"{where}{text} has no effect here{more}: caffelite's own kernels compute it, on the CPU"
    return f'{where}unknown field "{first.name}" in {first.message} is left out (--allow-unknown-fields){more}'
