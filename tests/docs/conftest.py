"""Runs the examples of a page of docs/, and compares what they print with what the page shows.

A block of ```python is run; a block of ```text right after it is what it prints. In a block of ```shell the lines
after `$ ` are commands, and the others what they print, on stdout and stderr together. `...` stands for anything. A
name behind the language (```prototxt net.prototxt) makes the block a file. The blocks of a page share one folder and,
those of Python, their names.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DRIVER = """
import contextlib, io, json, sys
page, blocks = json.load(sys.stdin)
names, printed = {"__name__": "__main__"}, []
for line, code in blocks:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile("\\n" * line + code, page, "exec"), names)  # a traceback shows the page's own lines
    printed.append(output.getvalue())
json.dump(printed, sys.stdout)
"""


class Block(NamedTuple):
    line: int  # of the page, of the fence
    language: str
    file: str | None
    text: str


class Page:
    """The examples of one Markdown text, ready to run in a folder."""

    def __init__(self, name, text, folder):
        self.name, self.folder = name, folder
        self.blocks = [
            Block(text.count("\n", 0, match.start()) + 1, match[1], match[2], match[3])
            for match in FENCED.finditer(text)
        ]
        for block in self.blocks:
            if block.file:
                (folder / block.file).write_text(block.text)

    def python(self):
        """Run the blocks of Python; return (line, expected, printed) of those that show what they print."""
        wanted = [
            (block, after.text if after.language == "text" else None)
            for block, after in zip(self.blocks, [*self.blocks[1:], Block(0, "", None, "")], strict=True)
            if block.language == "python" and not block.file
        ]
        given = json.dumps([self.name, [[block.line, block.text] for block, _ in wanted]])
        done = self._run([sys.executable, "-W", "error", "-c", DRIVER], input=given)
        assert done.returncode == 0, done.stdout + done.stderr
        printed = json.loads(done.stdout)
        return [(block.line, text, got) for (block, text), got in zip(wanted, printed, strict=True) if text is not None]

    def shell(self):
        """Run the blocks of shell; return (line, expected, printed) of those that show what they print."""
        shown = []
        for block in self.blocks:
            if block.language == "shell":
                lines = block.text.splitlines(keepends=True)
                commands = "".join(line[2:] for line in lines if line.startswith("$ "))
                done = self._run(["bash", "-ec", commands], stderr=subprocess.STDOUT)
                assert done.returncode == 0, f"{self.name}:{block.line}: {commands}{done.stdout}"
                if expected := "".join(line for line in lines if not line.startswith("$ ")):
                    shown.append((block.line, expected, done.stdout))
        return shown

    def _run(self, command, stderr=subprocess.PIPE, **options):
        programs = self.folder / ".programs"
        programs.mkdir(exist_ok=True)
        for name, words in (("caffelite", "-m caffelite"), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=300,
            **options,
        )


def differences(page, shown):
    """Return a text for each block that printed something else than the page shows."""
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    return [
        f"{page.name}:{line}: printed\n{printed}\nbut shows\n{expected}"
        for line, expected, printed in shown
        if not OutputChecker().check_output(expected, printed, flags)
    ]


@pytest.fixture
def page_of(tmp_path):
    """Return a function: name and text of a page -> the page, in a folder with the small LeNet's files."""

    def make(name, text):
        shutil.copytree(ROOT / "models/lenet_small", tmp_path / "models/lenet_small")
        (tmp_path / "solvers").mkdir()
        shutil.copy(ROOT / "solvers/lenet_small_digits.prototxt", tmp_path / "solvers")
        return Page(name, text, tmp_path)

    return make


@pytest.fixture(scope="session")
def differences_of():
    return differences
