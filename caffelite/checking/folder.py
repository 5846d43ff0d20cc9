"""Which of the nets in a folder run, and what the others lack."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from caffelite.checking.file import check_file, is_solver
from caffelite.checking.net import Options
from caffelite.checking.problems import ERROR, Problem
from caffelite.core.errors import CaffeliteError, UsageError
from caffelite.core.prototxt.parse import read_net

ENDINGS = (".prototxt", ".pt")  # .pt: what py-faster-rcnn calls its nets
SHOWN = 3  # problems of a file
_UNKNOWN_TYPE = re.compile(r'unknown layer type "([^"]*)"')


class CheckedFile(NamedTuple):
    """A prototxt: whether it is a net, not a solver; errors in it; the layer types and modules that it lacks."""

    path: str
    is_net: bool
    problems: tuple[Problem, ...]
    missing: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems

    def lines(self) -> list[str]:
        """Return a line for the file, and one for what it lacks or for each of its first problems."""
        head = "solver" if not self.is_net else "runs" if self.runs else "fails"
        reasons = [f"lacks {name}" for name in self.missing] or [str(problem) for problem in self.problems]
        more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
        shown = [] if not self.is_net else [*reasons[:SHOWN], *more]
        return [f"{head:7} {self.path}", *(f"{'':8}{reason}" for reason in shown)]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        problems = [problem._asdict() for problem in self.problems]
        return {
            "file": self.path,
            "is_net": self.is_net,
            "runs": self.runs,
            "missing": list(self.missing),
            "problems": problems,
        }


def prototxts(folder: Path) -> list[Path]:
    """Return the prototxt files in a folder and below, by name; UsageError if it is no folder, or has none."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give one with prototxt files in it or below")
    found = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS and path.is_file())
    if not found:
        raise UsageError(f"{folder}: no file in it or below ends in {' or '.join(ENDINGS)}")
    return found


def check_folder(paths: Iterable[Path], python_layers: bool = True) -> Iterator[CheckedFile]:
    """Check one file after the other, as `caffelite check`; solvers are not looked at further than that they are."""
    options = Options(python_layers=python_layers)
    for path in paths:
        yield _checked(str(path), options)


def counted_missing(files: Iterable[CheckedFile]) -> list[tuple[str, str]]:
    """Return each layer type or module that nets lack and in how many, the most frequent first."""
    counts = Counter(name for checked in files for name in checked.missing)
    return [
        (name, f"{count} net{'' if count == 1 else 's'}")
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _checked(path: str, options: Options) -> CheckedFile:
    try:
        if is_solver(path):
            return CheckedFile(path, False, (), ())
    except CaffeliteError as err:  # it cannot be read at all
        return CheckedFile(path, True, tuple(Problem.read(ERROR, text, [path]) for text in str(err).splitlines()), ())
    problems = tuple(problem for problem in check_file(path, options) if problem.severity == ERROR)
    return CheckedFile(path, True, problems, _missing(path, problems) if problems else ())


def _missing(path: str, problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the types that nobody registered, and the Python layers that cannot be made, each once."""
    texts = [problem.text for problem in problems]
    types = [f"layer type {match[1]}" for text in texts if (match := _UNKNOWN_TYPE.search(text))]
    return tuple(dict.fromkeys([*types, *_modules(path, texts)]))


def _modules(path: str, texts: list[str]) -> Iterator[str]:
    try:
        net = read_net(path)[0]
    except CaffeliteError:  # its text is wrong, which the problems say
        return
    for layer in net.layer:
        if layer.type == "Python" and any(f'"{layer.name}"' in text for text in texts):
            yield f"Python layer {layer.python_param.module}.{layer.python_param.layer}"
