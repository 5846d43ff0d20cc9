"""Modules written for Python 2: what an error that they raise under Python 3 means, and what to change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOR_PYTHON_2 = "the module is written for Python 2"
DIVISION = 'in Python 3 "/" of whole numbers gives a float: write "//" where a whole number is needed'
LISTS = "in Python 3 keys(), values(), items(), map, filter and zip give no lists: write list(...) around it"
BYTES = 'in Python 3 text and bytes differ: open binary files with "rb" and "wb"'
TABS = "tabs and spaces are mixed: indent with spaces alone (`expand -t 8 old.py > new.py` writes them so)"


class Sign(NamedTuple):
    """How one thing of Python 2 shows: which error, a pattern of its text, one of the line of code; what to change.

    `change` may name groups of the patterns: {text[1]} of the error's, {code[1]} of the line's.
    """

    error: type[BaseException]
    text: str
    code: str
    change: str


# Names that are gone -> what is written for them.
NAMES = {
    "xrange": "range",
    "unicode": "str",
    "basestring": "str",
    "raw_input": "input",
    "long": "int",
    "unichr": "chr",
    "file": "open",
    "reduce": "functools.reduce, after `import functools`",
    "reload": "importlib.reload, after `import importlib`",
    "cmp": "(a > b) - (a < b)",
    "execfile": "exec(open(name).read())",
    "apply": "f(*args)",
    "buffer": "memoryview",
    "intern": "sys.intern",
    "izip": "zip",
    "imap": "map",
}
# Modules that are gone -> what is imported for them.
MODULES = {
    "cPickle": "pickle",
    "cStringIO": "io",
    "StringIO": "io",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "ConfigParser": "configparser",
    "Queue": "queue",
    "commands": "subprocess",
    "httplib": "http.client",
    "HTMLParser": "html.parser",
    "__builtin__": "builtins",
    "Tkinter": "tkinter",
    "copy_reg": "copyreg",
    "SocketServer": "socketserver",
    "sets": "nothing (set is built in)",
}
# Attributes that are gone -> what is written for them.
ATTRIBUTES = {
    "has_key": "key in d, not d.has_key(key)",
    "iteritems": "items()",
    "itervalues": "values()",
    "iterkeys": "keys()",
    "viewitems": "items()",
    "viewvalues": "values()",
    "viewkeys": "keys()",
    "next": "next(x), not x.next()",
    "letters": "string.ascii_letters",
    "lowercase": "string.ascii_lowercase",
    "uppercase": "string.ascii_uppercase",
    "maketrans": "str.maketrans",
    "join": '" ".join(words)',
    "maxint": "sys.maxsize",
    "getcwdu": "os.getcwd",
    "izip": "zip",
    "imap": "map",
    "ifilter": "filter",
    "func_name": "__name__",
    "func_code": "__code__",
    "im_func": "__func__",
    "im_self": "__self__",
}
_OWNERS = {"letters": "string", "lowercase": "string", "uppercase": "string", "maketrans": "string", "join": "string"}
# Of numpy, whose names for Python's own types went away later.
NUMPY_NAMES = {"float": "float", "int": "int", "bool": "bool", "object": "object", "str": "str", "long": "int"}

SIGNS = (
    Sign(TabError, "", "", TABS),
    Sign(SyntaxError, "", r"^print\s*>>\s*([\w.]+)", "print is a function: write print(..., file={code[1]})"),
    Sign(SyntaxError, "", r"(?:^|[:;]\s*)print\b(?!\s*\()", "print is a function: write print(...)"),
    Sign(SyntaxError, "'print'", "", "print is a function: write print(...)"),
    Sign(SyntaxError, "", r"^except\s+(.+?)\s*,\s*(\w+)\s*:", "write except {code[1]} as {code[2]}:"),
    Sign(SyntaxError, "", r"(?:^|[:;]\s*)exec\b(?!\s*\()", "exec is a function: write exec(...)"),
    Sign(SyntaxError, "'exec'", "", "exec is a function: write exec(...)"),
    Sign(SyntaxError, "", r"(?:^|[:;]\s*)raise\s+([\w.]+)\s*,\s*(.+)$", "write raise {code[1]}({code[2]})"),
    Sign(SyntaxError, "", r"`([^`]+)`", "write repr({code[1]}), not backticks"),
    Sign(SyntaxError, "", r"<>", "write != for <>"),
    Sign(SyntaxError, "", r"\b0([0-7]+)\b(?!\.)", "octal numbers are written 0o{code[1]}"),
    Sign(SyntaxError, "", r"\b([0-9]+)[lL]\b", "write {code[1]}: all whole numbers are long"),
    Sign(SyntaxError, "", r"\bur([\"'])", "write r{code[1]}: all texts are Unicode"),
    Sign(SyntaxError, "", r"\blambda\s*\(|\bdef\s+\w+\s*\(.*\(", "unpack tuples in the body, not in the arguments"),
    Sign(
        SyntaxError, "UTF-8|utf-8", "", "save the file as UTF-8, or write # -*- coding: latin-1 -*- into its first line"
    ),
    Sign(TypeError, r"'(?:numpy\.)?float\d*' object cannot be interpreted as an integer", "", DIVISION),
    Sign(TypeError, r"integer is required|integer argument expected, got float", "", DIVISION),
    Sign(TypeError, r"(?:slice|list|tuple|string|sequence) ind\w+ must be integers", "", DIVISION),
    Sign(TypeError, r"multiply sequence by non-int of type '(?:numpy\.)?float", "", DIVISION),
    Sign(IndexError, r"only integers, slices", '/|^((?!").)*$', DIVISION),
    Sign(TypeError, r"'(?:dict_\w+|map|filter|zip)' object is not subscriptable", "", LISTS),
    Sign(TypeError, r"type '(?:map|filter|zip)' has no len|\+: '\w+' and '(?:dict_\w+|map|filter|zip)'", "", LISTS),
    Sign(TypeError, r"\+: '(?:dict_\w+|map|filter|zip)' and", "", LISTS),
    Sign(
        AttributeError, r"'(?:dict_\w+|map|filter|zip)' object has no attribute '(?:sort|append|index|pop)'", "", LISTS
    ),
    Sign(
        TypeError, r"sort\(\) takes no positional|'cmp' is an invalid keyword", "", "sort takes key=, not a comparison"
    ),
    Sign(TypeError, r"bytes-like object is required|must be str, not bytes", "", BYTES),
    Sign(UnicodeDecodeError, "", r"\bload", 'write pickle.load(file, encoding="latin1")'),
    Sign(AttributeError, r"'str' object has no attribute 'decode'", "", "leave out .decode(...): the text is Unicode"),
)


def advice(err: BaseException) -> str:
    """Return what to change in a module for Python 2 that raised `err` under Python 3; "" if it is another mistake."""
    from caffelite.core.user_code import place_of

    file, _, code = place_of(err)
    for find in (_of_name, _of_module, _of_attribute, _of_sign):
        if change := find(err, code, file):
            return f"{change} ({FOR_PYTHON_2})"
    return ""


def _of_name(err: BaseException, code: str, file: str) -> str:
    if not isinstance(err, NameError):
        return ""
    return f"write {NAMES[err.name]}" if err.name in NAMES else ""


def _of_module(err: BaseException, code: str, file: str) -> str:
    if not isinstance(err, ImportError):
        return ""
    if gone := re.search(r"cannot import name '(\w+)' from '(?:itertools|string|sys)'", str(err)):
        return f"write {ATTRIBUTES[gone[1]]}, which needs no import" if gone[1] in ATTRIBUTES else ""
    name = (err.name or "").partition(".")[0]
    if name in MODULES:
        return f"import {MODULES[name]}"
    is_beside = name.isidentifier() and any(
        (Path(file).parent / place).exists() for place in (f"{name}.py", f"{name}/__init__.py")
    )
    if isinstance(err, ModuleNotFoundError) and file and is_beside:
        return f"{name} lies beside the module, in the same package: write from . import {name}"
    return ""


def _of_attribute(err: BaseException, code: str, file: str) -> str:
    if not isinstance(err, AttributeError):
        return ""
    found = re.search(
        r"(?:module '([\w.]+)'|'([\w.]+)' object|type object '([\w.]+)') has no attribute '(\w+)'", str(err)
    )
    if found is None:
        return ""
    name = found[4]
    if found[1] == "numpy":
        return f"write {NUMPY_NAMES[name]}: numpy.{name} is gone" if name in NUMPY_NAMES else ""
    if name not in ATTRIBUTES or _OWNERS.get(name, found[1]) != found[1]:
        return ""
    return f"write {ATTRIBUTES[name]}"


def _of_sign(err: BaseException, code: str, file: str) -> str:
    if isinstance(err, IndentationError) and not isinstance(err, TabError):
        return TABS if _has_tabs_and_spaces(file) else ""
    text = str(err.msg) if isinstance(err, SyntaxError) else str(err)
    for sign in SIGNS:
        if not isinstance(err, sign.error):
            continue
        in_text, in_code = re.search(sign.text, text), re.search(sign.code, code)
        if in_text and in_code:
            return _filled(sign.change, in_text, in_code)
    return ""


def _filled(change: str, text: re.Match[str], code: re.Match[str]) -> str:
    return re.sub(r"\{(text|code)\[(\d)\]\}", lambda part: {"text": text, "code": code}[part[1]][int(part[2])], change)


def _has_tabs_and_spaces(file: str) -> bool:
    try:
        lines = Path(file).read_bytes().splitlines()
    except OSError:  # the file went away meanwhile
        return False
    return any(line.startswith(b"\t") for line in lines) and any(line.startswith(b" ") for line in lines)
