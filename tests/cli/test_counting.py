import os
import pty
import re
import subprocess
import sys

COLOUR = re.compile(rb"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;5;[0-9]+)m")
DRAW = """
import logging, os
from caffelite.cli import glog
from caffelite.cli.command import Arguments
from caffelite.cli.counting import counting
from caffelite.core.kernels.jit.progress import Report, watch
with glog.installed(Arguments({}, [])), counting("images") as draw:
    draw(1, 4)
    watch.show(Report(3, 2.0, False))
    watch.show(Report(3, 2.0, True))
    logging.getLogger("caffelite").info("between")
    draw(4, 4)
"""


def test_without_a_terminal_there_are_log_lines_only():
    done = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, check=True)
    compiling, _ = done.stderr.splitlines()
    assert compiling == "caffelite: compiling kernels for this CPU, once: 3 so far, 2 s"
    assert done.stderr.endswith("] between\n")


def on_a_terminal(**environment):
    """Return what is seen on a wide terminal."""
    reader, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150", **environment}
    process = subprocess.Popen([sys.executable, "-c", DRAW], stderr=terminal, stdout=terminal, env=environment)
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # Linux, when the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(reader)
    assert process.wait() == 0
    return seen


def test_on_a_terminal_the_count_is_drawn_below_the_log():
    seen = on_a_terminal()
    texts = [b"0 images", b"1/4 images", b"compiling kernels for this CPU, once: 3 so far, 2 s", b"1/4 images"]
    place = 0
    for text in texts:
        place = seen.index(text, place)
    assert b"0/0" not in seen
    hidden, shown = seen.rindex(b"\x1b[?25l"), seen.index(b"\x1b[?25h")
    assert hidden < shown < seen.index(b"1/4 images")  # who is killed leaves the cursor as it is
    assert COLOUR.search(seen)
    assert seen.index(b"] between") < seen.index(b"4/4 images")


def test_no_colour_where_none_is_wanted():
    seen = on_a_terminal(NO_COLOR="1")
    assert b"1/4 images" in seen
    assert not COLOUR.search(seen)
