import sys

import pytest

from caffelite.core.errors import UsageError
from caffelite.drawing.render import render

TEXT = 'digraph "a" { a -> b; }'


@pytest.mark.parametrize(
    ("file_format", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_formats(file_format, begins):
    assert render(TEXT, file_format).startswith(begins)


def test_unknown_formats():
    with pytest.raises(UsageError, match=r'"tiff" is no format of pictures here: let the name end in .svg, .png'):
        render(TEXT, "tiff")


def test_the_program_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\n[ "$1" = -Tpng ] || { echo "no $1" >&2; exit 1; }\nprintf "drawn: "; exec cat\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert render(TEXT, "png") == b"drawn: " + TEXT.encode()
    with pytest.raises(UsageError, match="dot could not draw: no -Tpdf"):
        render(TEXT, "pdf")


def test_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"drawn by Graphviz: pip install 'caffelite\[draw\]'"):
        render(TEXT, "png")
    assert render(TEXT, "dot") == TEXT.encode()
