import sys
import threading
import time

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


def test_other_threads_go_on_while_a_large_net_is_drawn():
    """PNG of 200 layers takes Graphviz most of a second."""
    text = "digraph { " + "".join(f"n{i} -> n{i + 1}; n{i} -> n{i + 3}; " for i in range(200)) + "}"
    gaps, drawn = [], threading.Event()

    def watch():
        last = time.monotonic()
        while not drawn.wait(0.02):
            gaps.append((now := time.monotonic()) - last)
            last = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    render(text, "png")
    took = time.monotonic() - began
    drawn.set()
    watcher.join()
    assert max(gaps) < max(0.5 * took, 0.3), f"of {took:.1f} s"


def test_inside_another_program(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")
    assert render(TEXT, "png").startswith(b"\x89PNG")


def test_entries_of_the_path_that_python_passes_over(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, None, "-x"])
    assert render(TEXT, "png").startswith(b"\x89PNG")


def test_text_that_is_no_graph():
    with pytest.raises(UsageError, match="Graphviz could not draw"):
        render("digraph {", "png")


def test_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"drawn by Graphviz: pip install 'caffelite\[draw\]'"):
        render(TEXT, "png")
    assert render(TEXT, "dot") == TEXT.encode()
