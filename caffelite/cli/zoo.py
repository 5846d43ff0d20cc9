"""`caffelite zoo`: the nets that come along, which of a folder's nets run, and published weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.example import copy_files
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, JSON, LAYERS, NO_PYTHON_LAYERS, OUT
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean

if TYPE_CHECKING:
    from caffelite.checking.folder import CheckedFile

ACTIONS = {"list": False, "check": True, "pull": True}  # whether it is of something
MODELS = "models"
FAILED = 1


@command(
    "zoo",
    "list the nets that come along, check a folder of nets, or pull published weights",
    flags=(OUT, JSON, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS),
    positionals="ACTION [NAME]",
    first_words=lambda: tuple(ACTIONS),
    flag_help={
        JSON: "check: print a list of objects with file, runs, missing and problems.",
        OUT: "pull: the folder that the net's folder is put in, models if not given.",
    },
)
def zoo(arguments: Arguments) -> int:
    """Look at the nets that there are: those of caffelite, or those in a folder of yours.

      zoo list          the nets in models/, each in a line; * marks those whose weights `zoo pull` fetches
      zoo check FOLDER  for each prototxt in the folder and below, whether its net runs and why not; what is missing
      zoo pull NAME     puts the net's files into models/NAME and downloads its published weights beside them; their
                        checksum is in its readme.md

    check has exit status 1 if a net does not run. For example:

      caffelite zoo check ~/caffe-models
      caffelite zoo pull mobilenet_ssd
    """
    action, *names = arguments.positionals
    if action not in ACTIONS:
        raise UsageError(f'zoo has no action "{action}"{did_you_mean(action, ACTIONS) or f"; use {any_of(ACTIONS)}"}')
    if ACTIONS[action] != bool(names):
        wanted = {"list": "list", "check": "check FOLDER", "pull": "pull NAME"}[action]
        raise UsageError(f"write caffelite zoo {wanted}")
    if action == "check":
        return _check(Path(names[0]), arguments)
    if action == "pull":
        _pull(names[0], Path(arguments[OUT] or MODELS))
    else:
        _list()
    return 0


def _list() -> None:
    from caffelite.examples import zoo as nets

    found = nets.nets()
    for name in found:
        mark = "*" if nets.has_published_weights(found[name]) else " "
        write_stdout(f"{name:20} {mark} {nets.title(found[name])}")


def _check(folder: Path, arguments: Arguments) -> int:
    from caffelite.checking.folder import check_folder, counted_missing, prototxts

    files: list[CheckedFile] = []
    paths = prototxts(folder)
    with counting("files") as progress:
        for checked in check_folder(paths, python_layers=not arguments[NO_PYTHON_LAYERS]):
            files.append(checked)
            progress(len(files), len(paths))
            if not arguments[JSON]:
                write_stdout("\n".join(checked.lines()))
    nets = [checked for checked in files if checked.is_net]
    if arguments[JSON]:
        write_stdout(json.dumps([checked.as_dict() for checked in files], indent=1))
    else:
        write_stdout(f"{sum(checked.runs for checked in nets)} of {len(nets)} nets run")
        for name, count in counted_missing(nets):
            write_stdout(f"{name}: missing in {count}")
    return FAILED if any(not checked.runs for checked in nets) else 0


def _pull(name: str, out: Path) -> None:
    from caffelite.datasets.published_weights import README, download_weights
    from caffelite.examples import zoo as nets

    folder = nets.nets()[name]
    if not nets.has_published_weights(folder):
        raise UsageError(f"the weights of {name} cannot be fetched by an address; {folder / README} says why")
    if folder.resolve() != (out / name).resolve():
        copy_files(sorted(path for path in folder.iterdir() if path.is_file()), folder.parent, out)
    write_stdout(str(download_weights(out / name)))
