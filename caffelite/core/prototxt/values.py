"""Is a word a possible value of a field? If not, what to write instead."""

import re

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from caffelite.core.prototxt.suggest import any_of, nearest
from caffelite.core.prototxt.tokens import Token

_INT = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[+-]?(?!0[0-9])(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?$")
_BOOLS = ("true", "false", "True", "False", "t", "f", "1", "0")
_NOT_FINITE = ("inf", "infinity", "nan")
# A backslash in a string, and what may follow it; else group 1. protobuf's C++ takes \? and \X41, too, its Python not.
_ESCAPE = re.compile(
    r"""\\(?: [abfnrtv\\'"] | [0-3][0-7]{2} | [0-7]{1,2}(?![0-7]) | x[0-9a-fA-F]
          | u(?![dD][89a-fA-F])[0-9a-fA-F]{4} | U000(?!0[dD][89a-fA-F])[0-9a-fA-F]{5} | U0010[0-9a-fA-F]{4} )
      | \\(.)""",
    re.VERBOSE | re.DOTALL,
)
NO_ESCAPE = "begins no escape"
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def wrong_escape(text: str) -> str:
    r"""Return what is wrong with the escapes of a string in quotes, as `\d begins no escape; write ...`, or ""."""
    wrong = next((found[1] for found in _ESCAPE.finditer(text) if found[1]), "")
    return rf"\{wrong} {NO_ESCAPE}; write \\ for a backslash, or / between folders" if wrong else ""


def mistake_in(field: FieldDescriptor, token: Token) -> str:
    """Return what is wrong with `token` as a value of a scalar field, as `stride is 1.5; use a whole number`, or ""."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        fix = "" if token.kind == "string" else f'write it in quotes: "{token.text}"'
    elif field.enum_type is not None:
        fix = _enum_fix(field.enum_type, token)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        fix = "" if token.text in _BOOLS else "use true or false"
    elif field.cpp_type in _RANGES:
        fix = _int_fix(token, *_RANGES[field.cpp_type])
    else:
        fix = _float_fix(token)
    return f"{field.name} is {token.text}; {fix}" if fix else ""


def _int_fix(token: Token, lowest: int, highest: int) -> str:
    if not _INT.match(token.text):
        return "use a whole number without quotes" if token.kind == "string" else "use a whole number"
    value = _int(token.text)
    if lowest <= value <= highest:
        return ""
    return f"use {lowest} or more" if value < lowest else f"use {highest} or less"


def _int(text: str) -> int:
    """Read the number as protobuf does: 0x10 is 16, 010 is 8; of a far too long one only enough to see that it is."""
    digits = text.lstrip("+-")[:50]
    value = int(digits, 8) if len(digits) > 1 and digits.isdigit() and digits[0] == "0" else int(digits, 0)
    return -value if text.startswith("-") else value


def _float_fix(token: Token) -> str:
    if token.kind == "string":
        return "use a number without quotes"
    known = _FLOAT.match(token.text) or token.text.lstrip("-").lower() in _NOT_FINITE
    return "" if known else "use a number"


def _enum_fix(enum: EnumDescriptor, token: Token) -> str:
    names = [value.name for value in enum.values]
    if token.text in names:
        return ""
    if _INT.match(token.text) and _int(token.text) in (value.number for value in enum.values):
        return ""
    word = token.text.strip("\"'")
    if word in names:
        return f"write it without quotes: {word}"
    name = nearest(word, names)
    if name:
        return f"did you mean {name}?"
    return f"use {any_of(names)}" if len(names) <= 8 else f"known are {', '.join(sorted(names))}"
