"""A folder that old scripts take for Caffe's, built: its programs and scripts, which run caffelite's commands."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from caffelite.core.errors import UsageError
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.weights.atomic import replacing
from caffelite.tools import caffe_package, caffe_recipes

MARK = "made by `caffelite make-caffe-root`"

# Programs, which are also called NAME.bin, and the words of a command line that do the same.
PROGRAMS = {
    "build/tools/caffe": "",
    "build/tools/convert_imageset": "convert_imageset",
    "build/tools/compute_image_mean": "compute_image_mean",
    "build/tools/extract_features": "extract_features",
    "build/tools/upgrade_net_proto_text": "upgrade net",
    "build/tools/upgrade_net_proto_binary": "upgrade weights",
    "build/tools/upgrade_solver_proto_text": "upgrade solver",
    "build/tools/device_query": "device_query",
    "build/examples/mnist/convert_mnist_data": "convert_mnist_data",
    "build/examples/siamese/convert_mnist_siamese_data": "convert_mnist_siamese_data --backend=leveldb",
    "build/examples/cifar10/convert_cifar_data": "convert_cifar_data",
    "build/examples/cpp_classification/classification": "classify",
}
PYTHON_SCRIPTS = {
    "tools/extra/extract_seconds.py": "extract_seconds",
    "tools/extra/parse_log.py": "parse_log",
    "tools/extra/plot_training_log.py": "plot_training_log",
    "tools/extra/plot_training_log.py.example": "plot_training_log",
    "scripts/download_model_binary.py": "download_model_binary",
}
SHELL_SCRIPTS = {"tools/extra/parse_log.sh": 'parse_log --gnuplot "$@" .', **caffe_recipes.GET}
PLACES = ("data/ilsvrc12", "examples", "models", "scripts")  # folders that scripts write into
OTHER_BUILD = ".build_release"  # where Caffe's Makefile builds; build is a link to it there

SHELL = """#!/bin/sh
# {what}, {mark}.
python={python}
if [ ! -x "$python" ]; then
  echo "$0: $python is no longer there; run \\`caffelite make-caffe-root\\` again" >&2
  exit 127
fi
exec "$python" -m caffelite {words}
"""

# Whichever Python, even an old one, starts it: the one that has caffelite does the work.
PYTHON = """#!/usr/bin/env python3
# {what}, {mark}.
import os
import sys

PYTHON = {python!r}
{helper}
if not os.access(PYTHON, os.X_OK):
    sys.exit(sys.argv[0] + ": " + PYTHON + " is no longer there; run `caffelite make-caffe-root` again")
os.execv(PYTHON, [PYTHON, "-m", "caffelite"] + {words})
"""

TRAIN = '''

def translated(words):
    """Return the options of Caffe's train.py as a command line of caffelite."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--solver", required=True, help="solver prototxt")
    parser.add_argument("--snapshot", help="solverstate to resume from")
    parser.add_argument("--gpus", type=int, nargs="+", default=[], help="accepted; caffelite runs on the CPU")
    parser.add_argument("--timing", action="store_true", help="accepted; `caffe time` times a net")
    given = parser.parse_args(words)
    options = ["--solver=" + given.solver]
    if given.snapshot:
        options.append("--snapshot=" + given.snapshot)
    if given.gpus:
        options.append("--gpu=" + ",".join(map(str, given.gpus)))
    return ["train"] + options

'''
DRAW = '''

def translated(words):
    """Return the options of Caffe's draw_net.py as a command line of caffelite, which draws all phases by itself."""
    line = "\\n".join(words + [""]).replace("--phase\\nALL\\n", "").replace("--phase=ALL\\n", "")
    return ["draw_net"] + line.split("\\n")[:-1]

'''
SUMMARIZE = '''

def translated(words):
    """Return the options of Caffe's summarize.py as a command line of caffelite, whose columns need no width."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("filename", help="net prototxt")
    parser.add_argument("-w", "--block-width", help="accepted; columns are as wide as what they hold")
    given, others = parser.parse_known_args(words)
    return ["summary", given.filename] + others

'''
CLASSIFY = '''

def translated(words):
    """Return the options of Caffe's classify.py as a command line of caffelite, where --gpu has a value."""
    return ["predict"] + ["--gpu=0" if word == "--gpu" else word for word in words]

'''
DETECT = '''

def translated(words):
    """Return the options of Caffe's detect.py, which searches unless it is given windows, as those of caffelite."""
    words = ["--gpu=0" if word == "--gpu" else word for word in words]
    if not any(word.startswith("--crop_mode") for word in words):
        words.append("--crop_mode=selective_search")
    return ["detect"] + words

'''
# Scripts with options of their own: the command, and how their words become its words.
TRANSLATED = {
    "python/classify.py": ("predict", CLASSIFY),
    "python/detect.py": ("detect", DETECT),
    "python/train.py": ("train", TRAIN),
    "python/draw_net.py": ("draw_net", DRAW),
    "tools/extra/summarize.py": ("summary", SUMMARIZE),
}


@dataclass
class Made:
    """Paths, seen from the folder, that were written, and those where something else stood, which was kept."""

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def make_caffe_root(root: Path, python: str, commands: Collection[str], included: Path) -> Made:
    """Write the files of a built Caffe into the folder `root`, which is made; the Python `python` runs them.

    `included` is the folder that holds the models/ and solvers/ that come with caffelite.

    What caffelite wrote there before is written anew; other files stay, so that the folder may hold Caffe's own
    sources. Programs whose command is not among `commands` are left out. Raises UsageError, before anything is written,
    if `root` or what stands in place of a folder in it is none; OSError or WeightsError if it cannot be written.
    """
    try:
        kind = kind_of(root)
    except UnreachableError as err:
        raise UsageError(f"{root}: {err}") from None
    if kind not in (Kind.NOTHING, Kind.FOLDER):
        raise UsageError(f"{root} is no folder; give the name of a new one, or of Caffe's sources")
    files = dict(_files(python, commands)) | dict(caffe_recipes.recipes(MARK))
    texts = dict(caffe_recipes.nets(included, MARK))
    _check_folders(root, (*files, *texts))
    made = Made()
    for name, text in (files | texts).items():
        path = root / name
        if os.path.lexists(path) and not _is_ours(path):
            made.kept.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
        if name in files:
            path.chmod(0o755)
        made.written.append(name)
    package = root / "python" / caffe_package.NAME
    if os.path.lexists(package) and not caffe_package.is_ours(package):
        made.kept.append("python/caffe")
    else:
        caffe_package.write(package)
        made.written.append("python/caffe/__init__.py")
    if not os.path.lexists(root / OTHER_BUILD):
        (root / OTHER_BUILD).symlink_to("build")
        made.written.append(OTHER_BUILD)
    for place in PLACES:
        (root / place).mkdir(parents=True, exist_ok=True)
    return made


def _check_folders(root: Path, names: Iterable[str]) -> None:
    """Raise UsageError for what is no folder, also a link that leads nowhere, where the files need one."""
    inside = {*PLACES, *(str(folder) for name in (*PLACES, *names) for folder in Path(name).parents)}
    for folder in sorted(root / name for name in inside):
        if os.path.lexists(folder) and not folder.is_dir():
            raise UsageError(f"{folder} is no folder, and Caffe has one of that name; nothing was changed")


def _files(python: str, commands: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give the name, seen from the root, and the text of each program and script."""
    for name, words in PROGRAMS.items():
        if _is_there(words, commands):
            text = _shell(name, python, f'{words} "$@"'.lstrip())
            yield name, text
            yield f"{name}.bin", text
    for name, words in PYTHON_SCRIPTS.items():
        if _is_there(words, commands):
            yield name, _python(name, python, f"{words.split()!r} + sys.argv[1:]")
    for name, words in SHELL_SCRIPTS.items():
        if _is_there(words, commands):
            yield name, _shell(name, python, words)
    for name, (words, helper) in TRANSLATED.items():
        if _is_there(words, commands):
            yield name, _python(name, python, "translated(sys.argv[1:])", helper)


def _is_there(words: str, commands: Collection[str]) -> bool:
    return not words or words.split()[0] in commands


def _shell(what: str, python: str, words: str) -> str:
    return SHELL.format(what=f"Caffe's {what}", mark=MARK, python=shlex.quote(python), words=words)


def _python(what: str, python: str, words: str, helper: str = "") -> str:
    return PYTHON.format(what=f"Caffe's {what}", mark=MARK, python=python, words=words, helper=helper)


def _is_ours(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return MARK in file.read(400)
    except OSError:
        return False
