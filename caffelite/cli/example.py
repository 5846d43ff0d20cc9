"""`caffelite example`: the models and solvers that come with caffelite, to begin with."""

from __future__ import annotations

import filecmp
import shlex
import shutil
from pathlib import Path

from caffelite import examples
from caffelite.cli.command import Arguments, command
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.core.files import Kind, kind_of
from caffelite.core.registry import Registry


@command(
    "example",
    "list or copy the solvers and nets that come with caffelite",
    flags=(),
    positionals="[NAME [FOLDER]]",
    first_words=lambda: included_solvers(),
)
def example(arguments: Arguments) -> None:
    """Copy solver NAME, its net and its readme to FOLDER (this folder without it); without NAME, list what there is.

    Trained weights of the net that come with caffelite are copied, too, and so are solvers of the same net.
    Files that are there are never overwritten. For example:

      caffelite example lenet_digits mine
    """
    solvers = included_solvers()
    if not arguments.positionals:
        for name in solvers:
            write_stdout(f"{name:20} {_head(solvers[name])[0]}")
        return
    name, *rest = arguments.positionals
    target = Path(*rest)
    wanted = _files_of(solvers, name)
    for path in copy_files(wanted, examples.folder(), target):
        write_stdout(str(path))
    write_stdout(f"To train it: {_training_command(solvers[name], target, arguments)}")


def included_solvers() -> Registry[Path]:
    """Return the solvers that come with caffelite: their names and files."""
    solvers: Registry[Path] = Registry("example")
    for path in sorted((examples.folder() / "solvers").glob("*.prototxt")):
        solvers.register(path.stem)(path)
    return solvers


def _files_of(solvers: Registry[Path], name: str) -> list[Path]:
    """Return solver `name`, those of the same net, and what lies in the net's folder, the readme among it."""
    net = _net_of(solvers[name])
    alike = [solvers[other] for other in solvers if _net_of(solvers[other]) == net]
    folder = (examples.folder() / net).parent
    return [
        *alike,
        *(path for pattern in ("*.prototxt", "*.caffemodel", "*.md") for path in sorted(folder.glob(pattern))),
    ]


def _net_of(solver: Path) -> str:
    from caffelite.core.prototxt.parse import read_solver

    return read_solver(solver)[0].net


def copy_files(files: list[Path], source: Path, target: Path) -> list[Path]:
    """Copy files of folder `source` to where they lie below `target`, and return the copies.

    Raises UsageError, before anything is copied, if one there is another.
    """
    copies = {path: target / path.relative_to(source) for path in files}
    for path, copy in copies.items():
        if kind_of(copy) is not Kind.NOTHING and not (copy.is_file() and filecmp.cmp(path, copy, shallow=False)):
            raise UsageError(f"{copy} is already there, and another; name a FOLDER to copy to")
    for path, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copyfile(path, copy)
    return list(copies.values())


def _training_command(solver: Path, target: Path, arguments: Arguments) -> str:
    """Return the command that stands in the solver's second line, with the files where they were copied to."""
    words = []
    for word in shlex.split(_head(solver)[1]):
        if word == "caffelite":
            words += [shlex.quote(typed) for typed in arguments.program]
        else:
            words.append(shlex.quote(str(target / word)) if word.startswith("solvers/") else word)
    return " ".join(words)


def _head(solver: Path) -> list[str]:
    """Return the text of the comment that a solver's file begins with: what it trains, and the command."""
    return [line.removeprefix("# ") for line in solver.read_text(encoding="utf-8").splitlines()[:2]]
