"""Graphviz: text in its language dot -> a picture, by the copy in pygraphviz's wheel or by the system's `dot`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

from caffelite.core.errors import UsageError

TEXT_FORMATS = ("dot", "gv")  # the text itself, for which nothing has to be installed
FORMATS = ("svg", "png", "pdf", "eps", "ps", "jpg", "jpeg", "gif", "json", "plain", "xdot")
# In a process of its own: pygraphviz keeps all threads waiting while it draws, which takes seconds for a large net.
_PROGRAM = """import sys
file_format, *sys.path = sys.argv[1:]
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=file_format, prog="dot"))
"""
MISSING = "pictures of nets are drawn by Graphviz: pip install 'caffelite[draw]'"


def render(text: str, file_format: str) -> bytes:
    """Return the picture of a graph in one of FORMATS; dot and gv are the text itself.

    Other threads go on meanwhile. Raises UsageError for another format, and if there is no Graphviz or it fails.
    """
    if file_format in TEXT_FORMATS:
        return text.encode()
    if file_format not in FORMATS:
        raise UsageError(
            f'"{file_format}" is no format of pictures here: let the name end in .svg, .png, .pdf or .dot (known: '
            f"{', '.join([*FORMATS, *TEXT_FORMATS])})"
        )
    if importlib.util.find_spec("pygraphviz") is None:
        program = shutil.which("dot")
        if program is None:
            raise UsageError(MISSING)
        return _drawn_by(program, [program, f"-T{file_format}"], text)
    if "python" not in os.path.basename(sys.executable or ""):  # inside another program: no interpreter to start
        return _drawn_here(text, file_format)
    places = [place for place in sys.path if isinstance(place, str)]  # Python passes over others, too
    return _drawn_by("Graphviz", [sys.executable, "-c", _PROGRAM, file_format, *places], text)


def _drawn_by(name: str, command: list[str], text: str) -> bytes:
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True)
    except OSError as err:
        raise UsageError(f"{name} cannot be started: {err}") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip() or f"it ended with status {done.returncode}"
        raise UsageError(f"{name} could not draw: {reason}")
    return done.stdout


def _drawn_here(text: str, file_format: str) -> bytes:
    import pygraphviz

    graph = pygraphviz.AGraph(string=text)
    try:
        picture: bytes = graph.draw(format=file_format, prog="dot")
    finally:
        graph.close()
    return picture
