"""The YAML of python_param.param_str, as far as public nets use it: keys, numbers, words and lists of them."""

from __future__ import annotations

import re
from ast import literal_eval
from typing import Any

from caffelite.core.errors import LayerError

_PAIR = re.compile(
    r"""\s* (?P<quote>['"]?) (?P<key>\w+) (?P=quote) \s*:\s* (?:!!python/tuple\s*)?
        (?P<value> \[[^\]]*\] | '[^']*' | "[^"]*" | [^\s,{}\[\]\#'"]+ )
        [ \t]* (?:\#[^\n]*)? (?:[,\n]|$) \s*""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None, "~": None}


def parsed_param_str(text: str) -> dict[str, Any]:
    """Return what a param_str says: "'feat_stride': 16", on lines or between commas, with braces around or without.

    A list is [4, 8], also after !!python/tuple. Raises LayerError for what is more than that.
    """
    rest = text.strip()
    if rest.startswith("{") and rest.endswith("}"):
        rest = rest[1:-1]
    found: dict[str, Any] = {}
    position = 0
    while position < len(rest):
        pair = _PAIR.match(rest, position)
        if pair is None:
            raise _refused(text)
        found[pair["key"]] = _value(pair["value"], text)
        position = pair.end()
    return found


def _value(written: str, text: str) -> Any:
    if written.startswith("["):
        return [_value(item.strip(), text) for item in written[1:-1].split(",") if item.strip()]
    if written.lower() in _WORDS:
        return _WORDS[written.lower()]
    try:
        return literal_eval(written)
    except (ValueError, SyntaxError):
        if re.fullmatch(r"[\w./-]+", written):
            return written  # a word
        raise _refused(text) from None


def _refused(text: str) -> LayerError:
    return LayerError(
        "python_param.param_str", repr(text), "write a key and its value on each line, as 'feat_stride': 16"
    )
