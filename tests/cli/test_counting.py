import os
import pty
import subprocess
import sys

import pytest

DRAW = """
import logging, os
from caffelite.cli import glog
from caffelite.cli.command import Arguments
from caffelite.cli.counting import counting
with glog.installed(Arguments({}, [])), counting("images") as draw:
    draw(1, 4)
    logging.getLogger("caffelite").info("between")
    draw(4, 4)
"""


def test_without_a_terminal_there_are_log_lines_only():
    done = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, check=True)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("] between\n")


def test_on_a_terminal_the_count_is_drawn_below_the_log():
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", DRAW], stderr=terminal, stdout=terminal, env={**os.environ, "TERM": "xterm"}
    )
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
    assert b"1/4 images" in seen
    assert seen.index(b"] between") < seen.index(b"4/4 images")


@pytest.mark.parametrize(
    "name", ["extract_seconds", "parse_log", "convert_mnist_data", "convert_cifar_data", "compute_image_mean"]
)
def test_help_has_an_example(caffelite, name):
    result = caffelite(name, "--help")
    assert (result.status, result.err) == (0, "")
    assert f"  caffelite {name} " in result.out
