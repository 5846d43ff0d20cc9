"""Print the catalogue of layer types, docs/layers.md: `python tools/layer_table.py > docs/layers.md`.

All of it comes from the layers themselves: their docstrings, and what they say they read.
"""

import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffelite.core.layer import LAYERS, Layer, layer_type_list
from caffelite.core.net.wiring.unread import messages_read
from caffelite.proto.caffe_pb2 import LayerParameter

INTRODUCTION = """# Layer types

Every layer type of caffelite: what it computes, the shapes of its bottoms (inputs), tops (outputs) and parameter
blobs, where it differs from Caffe 1.0, what it refuses, and the fields that it reads with their defaults. Fields that
every layer has (`name`, `bottom`, `top`, `param`, `loss_weight`, `include`, ...) are in `proto/caffe.proto`.
Made by `python tools/layer_table.py > docs/layers.md` from the layers' own words.
"""


def catalogue() -> Iterator[str]:
    """Give the page's paragraphs."""
    yield INTRODUCTION
    yield ", ".join(f"[{name}](#{anchor})" for name, anchor in anchors()) + ".\n"
    for name in layer_type_list():
        yield f"## {name}\n"
        classes = [kind.layer_class for kind in LAYERS[name]]
        yield from map(described, classes)
        yield from filter(None, (fields(message, classes) for message in messages_of(classes)))


def anchors() -> Iterator[tuple[str, str]]:
    """Give each type and its heading's anchor, in small letters: of those that become equal the later ones count on."""
    seen: Counter[str] = Counter()
    for name in layer_type_list():
        anchor = name.lower()
        yield name, f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1


def described(layer_class: type[Layer]) -> str:
    """Return the docstring of a layer class and where the class stands."""
    module = sys.modules[layer_class.__module__]
    text = inspect.cleandoc(layer_class.__doc__ or module.__doc__ or "")
    file = Path(module.__file__ or "").name
    fork = f" From {layer_class.fork}, not in Caffe 1.0." if layer_class.fork else ""
    return f"```\n{text}\n```\n\n`{layer_class.__name__}` in `caffelite/core/layers/{file}`.{fork}\n"


def messages_of(classes: list[type[Layer]]) -> list[str]:
    """Return the fields of LayerParameter (pooling_param, ...) that the classes of a type read."""
    return sorted({message for layer_class in classes for message in messages_read(layer_class) or ()})


def fields(message: str, classes: list[type[Layer]]) -> str:
    """Return a table of the fields of one message that a class reads, with types and defaults; "" if it has none."""
    descriptor = LayerParameter.DESCRIPTOR.fields_by_name[message].message_type
    rows = [
        f"| `{field.name}` | {kind_of(field)} | {default_of(field)} |"
        for field in descriptor.fields
        if any(f"{message}.{field.name}" not in layer_class.not_read for layer_class in classes)
    ]
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
