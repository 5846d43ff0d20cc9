"""Is a text that is no prototxt written in another language that people know? Then say which."""

import re

_COMMENTS = re.compile(r"(?:\s|#(?!!)[^\n]*)+")
# What the text begins with, behind comments.
_BEGINNINGS = (
    ("HTML", re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)),
    ("XML", re.compile(r"<\?xml\b", re.IGNORECASE)),
    ("JSON", re.compile(r"""\{\s*(?:"|\})|\[\s*(?:\{|"|\])""")),
    ("a Python program", re.compile(r'#!.*python|"""|(?:import|from) +[A-Za-z_.]+|(?:def|class) +\w+.*:')),
    ("a patch, as diff writes them", re.compile(r"--- .*\n\+\+\+ ")),
    ("YAML", re.compile(r"---(?:\s|$)|%YAML\b")),
    ("a shell script", re.compile(r"#!.*\b\w*sh\b")),
    ("a schema, as caffe.proto is one", re.compile(r"syntax *= *[\"']proto")),
    ("what a server wrote instead of the file", re.compile(r"404: Not Found")),
    ("a pointer of Git LFS (git lfs pull fetches the file)", re.compile(r"version https://git-lfs")),
    ("an INI or TOML file, such as Darknet's .cfg", re.compile(r"\[\w+\] *\n")),
)
# What a line begins with. Prototxt has no such lines, whatever the mistakes in it.
_LINES = (
    (
        "a Python program",
        re.compile(
            r"^(?:import|from) +[\w.]+(?: +import\b.*| +as +\w+)?$|^(?:def|class) +\w+.*:$"
            r"|^(?:[\w.]+ *= *)?[A-Za-z_][\w.]*\(",
            re.MULTILINE,
        ),
    ),
    ("YAML", re.compile(r"^ *- +\w+:(?: |$)|^\w+:\n(?: +\w+:\n)* +(?:\w+: |- )", re.MULTILINE)),
)


def other_language(text: str) -> str:
    """Return `JSON`, `YAML`, `a Python program`, ... for a text that is one of them, else ""."""
    begins = _COMMENTS.match(text)
    start = begins.end() if begins else 0
    found = [name for name, pattern in _BEGINNINGS if pattern.match(text, start)]
    found += [name for name, pattern in _LINES if pattern.search(text)]
    return found[0] if found else ""
