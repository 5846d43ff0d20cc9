"""Read prototxt files: text -> message, with the line of every field, and all of a file's mistakes at once."""

import codecs
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from caffelite.core.errors import PrototxtError
from caffelite.core.file_kinds import looks_like, text_kind
from caffelite.core.prototxt import own_fields, unknown_fields
from caffelite.core.prototxt.braces import unbalanced
from caffelite.core.prototxt.fork_types import is_another_layer, known_elsewhere, known_in_2014
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.scan import MOST_MISTAKES, Scan, scan
from caffelite.core.prototxt.suggest import did_you_mean, likeness, nearest
from caffelite.core.prototxt.tokens import Source
from caffelite.core.prototxt.upgrade_v1 import TYPES as V1_TYPES
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter, SolverParameter

AnyMessage = TypeVar("AnyMessage", bound=Message)

LIKE_A_TYPE = 0.7
MOST_LINES = 5  # of layers of one unknown type
HEAD = 1 << 16  # bytes of a file in which binary data shows itself
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # control characters that no text has
_OLD_TYPE = re.compile(r"(?:.*\.)?layers\[\d+\]\.type$")
_EXAMPLES = {
    "net": 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 } }',
    "solver": 'net: "train_val.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 1000',
}
OF_YOUR_OWN = "one of your own: --layers FILE, in programs layers=FILE, the module that registers it"
_LAYER = re.compile(r"layers?\[\d+\]")
_LAYER_TYPE = re.compile(r"(?P<layer>(?:.*\.)?layer\[\d+\])\.type$")


def read_net(path: str | Path, known_types: Collection[str] = ()) -> tuple[NetParameter, Lines]:
    """Read a net's prototxt as it stands, without upgrading it (upgrade.py).

    Raises PrototxtError with a line `file:line:column: ...` for each mistake. With `known_types`, an unknown type is a
    mistake in a layer without include and exclude rules; the others may be filtered away before their type matters.
    """
    return parse_net(read_text(path), str(path), known_types)


def read_solver(path: str | Path, known_types: Collection[str] = ()) -> tuple[SolverParameter, Lines]:
    """Read a solver's prototxt as it stands; errors as of read_net."""
    return _parse(read_text(path), SolverParameter(), str(path), known_types)


def parse_net(text: str, name: str, known_types: Collection[str] = ()) -> tuple[NetParameter, Lines]:
    """Parse the text of a net; `name` stands for the file in errors."""
    return _parse(text, NetParameter(), name, known_types)


def parse_text(text: str, message: AnyMessage, file: str) -> Lines:
    """Merge the text into an empty message of any type and return the line of each field."""
    return _parse(text, message, file, ())[1]


def read_text(path: str | Path) -> str:
    r"""Return the text of a prototxt file: UTF-8 or else Latin-1, any byte-order mark removed, lines ending in \n."""
    try:
        with Path(path).open("rb") as file:
            text = _decoded(file, str(path))
    except PrototxtError:  # a ValueError, too
        raise
    except FileNotFoundError:
        raise PrototxtError(f"{path}: no such file{_sibling(Path(path))}") from None
    except IsADirectoryError:
        raise PrototxtError(f"{path}: this is a directory; give the prototxt file in it") from None
    except (OSError, ValueError) as err:  # ValueError: a NUL in the name
        raise PrototxtError(f"{path}: cannot be read ({getattr(err, 'strerror', err)})") from None
    return re.sub("\r\n?", "\n", text)


def _decoded(file: BinaryIO, name: str) -> str:
    head = file.read(HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return (head + file.read()).decode("utf-16", errors="replace")
    data = head if _BINARY.search(head) else head + file.read()  # weights may be far larger than memory
    if _BINARY.search(data):
        if kind := looks_like(head):
            raise PrototxtError(f"{name}: {kind.instead_of('a prototxt')}")
        raise PrototxtError(
            f"{name}: this looks like a caffemodel or another binary file, not a prototxt; "
            "give the text file that describes the net or solver here, and weights where weights are asked for"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _sibling(path: Path) -> str:
    try:
        return did_you_mean(path.name, (other.name for other in path.parent.iterdir() if other.is_file()))
    except OSError:  # the folder is missing, too, or closed to us
        return f"; nor is there a folder {path.parent}" if not os.path.exists(path.parent) else ""


def _parse(text: str, message: AnyMessage, file: str, known_types: Collection[str]) -> tuple[AnyMessage, Lines]:
    source = Source(file, text)
    descriptor: Any = message.DESCRIPTOR  # the stubs know two kinds of it, which behave alike
    found = scan(source, descriptor)
    if not found.table and not found.mistakes:
        raise PrototxtError(f"{file}: the file is empty; it should describe a {_kind(message)}")
    if found.mistakes and (kind := text_kind(text)):
        example = f", whose text is like {_EXAMPLES.get(_kind(message), _EXAMPLES['net'])}"
        raise PrototxtError(f"{file}: {kind.instead_of('a prototxt' + ('' if kind.advice else example))}")
    _refuse_the_other_kind(found, message, file)
    types = _unknown_types(found, known_types, source)
    places = _belongings(found, descriptor) | _of_layers_not_here(found, known_types)
    # the scanner's word on a type without quotes is about the quotes alone
    others = [(at, places.get(at, text)) for at, text in found.mistakes if at not in types]
    mistakes = sorted([*others, *((at, text) for at, text in types.items() if text)])
    if mistakes and not found.unopened and (brace := unbalanced(source)):
        before = [m for m in mistakes if m[0] < brace.noise and m[0] != found.unclosed]
        mistakes = [*before, (brace.offset, brace.text)]
    elif mistakes and (new := _new_layers_in_old_form(found)):
        mistakes = [*(mistake for mistake in mistakes if mistake[0] < new[0]), new]
    if mistakes:
        raise PrototxtError(_listed([source.where(offset) + words for offset, words in mistakes], file))
    left_out = [field for field in found.left_out if not any(c.start <= field.start < c.end for c in found.carried)]
    _merge(own_fields.without(own_fields.without(text, left_out), found.carried), message, file)
    own_fields.put(message, text, source, found.carried, found.table)
    lines = Lines(file, found.table, unknown_fields.warnings_of(left_out, source))
    _refuse_missing(message, lines)
    return message, lines


def _belongings(found: Scan, descriptor: Any) -> dict[int, str]:
    """Return offset -> error text of misplaced fields of layers whose type tells in which message they belong."""
    texts = {}
    for offset, path, name in found.misplaced:
        given = found.values.get(f"{path}.type")
        field = descriptor.fields_by_name.get(path.partition("[")[0])
        if given is None or field is None or path.count(".") or field.message_type is None:
            continue
        layer_type = V1_TYPES.get(given.text, given.text.strip("\"'"))
        homes = unknown_fields.homes_of(name, field.message_type.fields, layer_type)
        if homes:
            texts[offset] = unknown_fields.belongs(f'unknown field "{name}" in {path.partition("[")[0]}', homes)
    return texts


def _of_layers_not_here(found: Scan, known_types: Collection[str]) -> dict[int, str]:
    """Return offset -> error text of unknown fields of layers that a fork or the user has: no field here is meant."""
    texts = {}
    fields_of_layers: Any = LayerParameter.DESCRIPTOR
    for offset, path, name in found.strange:
        match = _LAYER.match(path)
        if match is None or (given := found.values.get(f"{match[0]}.type")) is None:
            continue
        layer_type = given.text.strip("\"'")
        elsewhere = known_elsewhere(layer_type) or (known_in_2014(layer_type) if given.kind == "name" else "")
        if elsewhere:
            whose = f"{layer_type}, {elsewhere.partition(':')[0]}"
            place = unknown_fields.place_of(path)
            texts[offset] = f'unknown field "{name}" in {place}; it is for {whose}; {unknown_fields.ALLOW}'
        elif known_types and given.kind == "string" and layer_type not in known_types and path == match[0]:
            if name.endswith("_param") and not unknown_fields.is_misspelling(name, fields_of_layers):
                texts[offset] = f'unknown field "{name}" in layer; it comes with the type {layer_type}'
    return texts


def _merge(text: str, message: Message, file: str) -> None:
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        # what the scanner has no words for; protobuf repeats place and line of text before its own words
        words = re.sub(r"^\d+:\d+ : (?:'.*': )?", "", str(error), flags=re.DOTALL)
        raise PrototxtError(f"{file}:{error.GetLine() or 1}:{error.GetColumn() or 1}: {words}") from None


def _refuse_missing(message: Any, lines: Lines) -> None:
    missing = []
    for path in message.FindInitializationErrors():
        field = re.sub(r".*\blayers?\[\d+\]\.", "", path)
        missing.append(f"{lines.where(path)}{field} is missing; it has no default, so write a value")
    if missing:
        raise PrototxtError(_listed(missing, lines.file))


def _unknown_types(found: Scan, known_types: Collection[str], source: Source) -> dict[int, str]:
    """Return offset -> error text of each layer type that is unknown, or known and written without quotes.

    An unknown type is told of once, with the lines of the other layers of it, whose text is "".
    """
    mistakes = {}
    unknown: dict[str, list[int]] = {}
    unknown_words: dict[str, list[int]] = {}
    for path, token in found.values.items():
        if token.kind == "name" and token.text not in V1_TYPES and _OLD_TYPE.match(path):
            unknown_words.setdefault(token.text, []).append(token.offset)
        match = _LAYER_TYPE.match(path) if known_types else None
        if match is None or token.kind not in ("string", "name"):
            continue
        if token.kind == "name":
            right = token.text if token.text in known_types else _written(token.text, known_types)
            if right:
                mistakes[token.offset] = f'type is {token.text}; write type: "{right}"'
            continue
        ruled = any(f"{match['layer']}.{rule}[0]" in found.table for rule in ("include", "exclude"))
        if token.text[1:-1] not in known_types and not ruled:
            unknown.setdefault(token.text[1:-1], []).append(token.offset)
    told = [(unknown_type(layer_type, known_types), at, known_types) for layer_type, at in unknown.items()]
    told += [(_unknown_word(word, known_types), at, V1_TYPES) for word, at in unknown_words.items()]
    listed = False
    for text, (first, *others), all_types in told:
        hint = "" if listed else known_types_hint(text, all_types)
        listed = listed or bool(hint)
        mistakes[first] = text + and_more([source.line(offset) for offset in others]) + hint
        mistakes |= dict.fromkeys(others, "")
    return mistakes


def _new_layers_in_old_form(found: Scan) -> tuple[int, str] | None:
    """Return the one mistake of a net of `layers`, the form of 2014, that has today's types in quotes."""
    types = {path: token for path, token in found.values.items() if _OLD_TYPE.match(path)}
    new = [path for path, token in types.items() if token.kind == "string" and token.text[1:-1] not in V1_TYPES]
    if not new:
        return None
    first, times = types[new[0]], f", in all {len(types)} of them" if len(types) > 1 else ""
    text = f"type is {first.text}, but types of `layers` are words of 2014 without quotes; write layer, not layers"
    return first.offset, text + times


def _written(layer_type: str, known_types: Collection[str]) -> str:
    """Return today's name of a type such as SOFTMAX_LOSS, of nets of 2014, or of one like it; "" if there is none."""
    old = V1_TYPES.get(layer_type, "")
    return old if old in known_types else nearest(layer_type, known_types)


def unknown_type(layer_type: str, known_types: Collection[str]) -> str:
    """Return the error text for a layer type that nobody registered, or for none."""
    if not layer_type:
        return 'type is missing; write, for instance, type: "Convolution"'
    elsewhere = known_elsewhere(layer_type)
    name = "" if elsewhere else _written(layer_type, known_types)
    if name and layer_type not in V1_TYPES and likeness(layer_type, name) < LIKE_A_TYPE:
        name = ""  # a layer of one repository, not a misspelt one
    hint = f"; it is {elsewhere}" if elsewhere else f'; did you mean "{name}"?' if name else ""
    if name and is_another_layer(layer_type, name):
        hint = f'; "{name}" is here, but {layer_type} is likely another layer: look in its repository what it computes'
    return f'unknown layer type "{layer_type}"{hint}'


def _unknown_word(word: str, known_types: Collection[str]) -> str:
    """Return the error text for a word that is no type of `layers`, the form of 2014."""
    new = next((name for name in known_types if name.upper() == word.replace("_", "")), "")
    if new in V1_TYPES.values():
        new = ""
    elsewhere = known_in_2014(word)
    name = nearest(word, V1_TYPES)
    hint = ""
    if elsewhere:
        hint = f"; it is {elsewhere}"
    elif new:
        hint = f'; write layer, not layers, and type: "{new}"'
    elif name and likeness(word, name) >= LIKE_A_TYPE:
        hint = f"; did you mean {name}?"
    return f"unknown layer type {word}{hint}"


def known_types_hint(text: str, known_types: Collection[str]) -> str:
    """Return, as ` (known types: ...)`, all types, for the first text in a file that helps no further; else ""."""
    own = "" if known_types is V1_TYPES else f"; {OF_YOUR_OWN}"
    return "" if "; " in text else f" (known types: {', '.join(sorted(known_types))}{own})"


def and_more(lines: Collection[int]) -> str:
    """Return, as ` (line 7 and 2 more, too)`, where else a type stands; "" for nowhere."""
    if not lines:
        return ""
    shown = sorted(lines)[:MOST_LINES]
    rest = f" and {len(lines) - len(shown)} more" if len(lines) > len(shown) else ""
    return f" (also in line{'s' if len(lines) > 1 else ''} {', '.join(map(str, shown))}{rest})"


def _refuse_the_other_kind(found: Scan, message: Message, file: str) -> None:
    """Say in one line that a solver was given as a net or a net as a solver, not one mistake for each of its fields."""
    for other in (NetParameter, SolverParameter):
        foreign = bool(found.unknown) and all(name in other.DESCRIPTOR.fields_by_name for name in found.unknown)
        # one strange field among known ones is more likely misplaced
        if foreign and (len(found.unknown) > 1 or not found.table):
            raise PrototxtError(f"{file}: this describes a {_kind(other())}, not a {_kind(message)}")


def _kind(message: Message) -> str:
    kinds = {"NetParameter": "net", "SolverParameter": "solver"}
    return kinds.get(message.DESCRIPTOR.name, message.DESCRIPTOR.name)


def _listed(mistakes: list[str], file: str) -> str:
    more = len(mistakes) - MOST_MISTAKES
    return "\n".join([*mistakes[:MOST_MISTAKES], *([f"{file}: ... and {more} more"] if more > 0 else [])])
