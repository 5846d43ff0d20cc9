"""Graphviz: text in its language dot -> a picture, by the copy in pygraphviz's wheel or by the system's `dot`."""

from __future__ import annotations

import shutil
import subprocess

from caffelite.core.errors import UsageError

TEXT_FORMATS = ("dot", "gv")  # the text itself, for which nothing has to be installed
FORMATS = ("svg", "png", "pdf", "eps", "ps", "jpg", "jpeg", "gif", "json", "plain", "xdot")
MISSING = "pictures of nets are drawn by Graphviz: pip install 'caffelite[draw]'"


def render(text: str, file_format: str) -> bytes:
    """Return the picture of a graph in one of FORMATS; dot and gv are the text itself.

    Raises UsageError for another format, and if there is no Graphviz.
    """
    if file_format in TEXT_FORMATS:
        return text.encode()
    if file_format not in FORMATS:
        raise UsageError(
            f'"{file_format}" is no format of pictures here: let the name end in .svg, .png, .pdf or .dot (known: '
            f"{', '.join([*FORMATS, *TEXT_FORMATS])})"
        )
    try:
        import pygraphviz
    except ImportError:
        return _by_program(text, file_format)
    graph = pygraphviz.AGraph(string=text)
    try:
        picture: bytes = graph.draw(format=file_format, prog="dot")
    finally:
        graph.close()
    return picture


def _by_program(text: str, file_format: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise UsageError(MISSING)
    done = subprocess.run([program, f"-T{file_format}"], input=text.encode(), capture_output=True)
    if done.returncode:
        raise UsageError(f"{program} could not draw: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
