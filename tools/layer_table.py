"""Print the catalogue of layer types, docs/layers.md: `python tools/layer_table.py > docs/layers.md`.

All of it comes from the layers themselves: their docstrings, and the messages that their modules read.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffelite.core.layer import LAYERS, Layer, layer_type_list
from caffelite.proto.caffe_pb2 import LayerParameter

INTRODUCTION = """# Layer types

Every layer type of caffelite: what it computes, the shapes of its bottoms (inputs), tops (outputs) and parameter
blobs, where it differs from Caffe 1.0, what it refuses, and the fields that it reads with their defaults. Fields that
every layer has (`name`, `bottom`, `top`, `param`, `loss_weight`, `include`, ...) are in `proto/caffe.proto`.
Made by `python tools/layer_table.py > docs/layers.md` from the layers' own words.
"""
NOT_OF_THE_TYPE = {"layer_param"}


def catalogue() -> Iterator[str]:
    """Give the page's paragraphs."""
    yield INTRODUCTION
    yield ", ".join(f"[{name}](#{name.lower()})" for name in layer_type_list()) + ".\n"
    for name in layer_type_list():
        yield f"## {name}\n"
        for kind in LAYERS[name]:
            yield described(kind.layer_class)
        yield from filter(None, (fields(message) for message in messages_of(name)))


def described(layer_class: type[Layer]) -> str:
    """Return the docstring of a layer class and where the class stands."""
    module = sys.modules[layer_class.__module__]
    text = inspect.cleandoc(layer_class.__doc__ or module.__doc__ or "")
    file = Path(module.__file__ or "").name
    return f"```\n{text}\n```\n\n`{layer_class.__name__}` in `caffelite/core/layers/{file}`.\n"


def messages_of(type_name: str) -> list[str]:
    """Return the fields of LayerParameter (pooling_param, ...) that the modules of this type's classes read."""
    sources = {
        inspect.getsource(sys.modules[base.__module__])
        for kind in LAYERS[type_name]
        for base in kind.layer_class.__mro__
        if issubclass(base, Layer) and base.__module__.startswith("caffelite.core.layers.")
    }
    named = {word for source in sources for word in re.findall(r"\b\w+_param\b", source)}
    known = {field.name for field in LayerParameter.DESCRIPTOR.fields if field.message_type is not None}
    return sorted((named & known) - NOT_OF_THE_TYPE)


def fields(message: str) -> str:
    """Return a table of the fields of one message, with types and defaults; "" if it has none."""
    descriptor = LayerParameter.DESCRIPTOR.fields_by_name[message].message_type
    rows = [f"| `{field.name}` | {kind_of(field)} | {default_of(field)} |" for field in descriptor.fields]
    if not rows:
        return ""
    return "\n".join([f"| `{message}` | type | default |", "|---|---|---|", *rows, ""])


def kind_of(field: Any) -> str:
    """Return a field's type: float, a message's name, or the names of an enum."""
    if field.enum_type is not None:
        kind = ", ".join(value.name for value in field.enum_type.values)
    elif field.message_type is not None:
        kind = field.message_type.name
    else:
        kind = {1: "double", 2: "float", 3: "int64", 5: "int32", 8: "bool", 9: "string", 13: "uint32"}[field.type]
    return f"{kind}, repeated" if field.default_value == [] else kind


def default_of(field: Any) -> str:
    """Return what a field is if nobody writes it, "" where that is nothing."""
    if not field.has_default_value:
        return ""
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[field.default_value].name)
    if isinstance(field.default_value, bool):
        return str(field.default_value).lower()
    return f"{field.default_value:g}" if isinstance(field.default_value, float) else str(field.default_value)


if __name__ == "__main__":
    print("\n".join(catalogue()), end="")
