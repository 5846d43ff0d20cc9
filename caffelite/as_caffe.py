"""Let scripts and Python layers that say `import caffe` find caffelite: `python -m caffelite.as_caffe script.py`.

A module is run by `python -m caffelite.as_caffe -m unittest discover`, for instance.

Every `caffe.x` is the very module `caffelite.x`, never a second copy, so that classes stay equal under both names.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from caffelite.core.errors import UsageError

ALIAS, OURS = "caffe", "caffelite"


def install_as_caffe() -> None:
    """Let `import caffe`, and of each module `caffe.x`, give caffelite from now on; doing it again changes nothing.

    Raises UsageError if another package was already imported as `caffe`.
    """
    found = sys.modules.get(ALIAS)
    if found is None:
        sys.meta_path.insert(0, _Finder())  # before Python's own, which would run caffelite's files a second time
        sys.modules[ALIAS] = import_module(OURS)
    elif found is not sys.modules[OURS]:
        place = getattr(found, "__file__", None) or "an unknown place"
        raise UsageError(f"another caffe, from {place}, is already imported; call caffelite.install_as_caffe() before")


def install_unless_real() -> None:
    """Do `install_as_caffe` unless there is a real caffe, imported or to be found on sys.path."""
    if ALIAS not in sys.modules and not _is_real(find_spec(ALIAS)):
        install_as_caffe()


def _is_real(spec: ModuleSpec | None) -> bool:
    """Whether there is a module; a mere folder named caffe, such as Caffe's sources, is none."""
    return spec is not None and spec.origin is not None


class _Finder(MetaPathFinder):
    """Finds `caffe.x` if there is a module `caffelite.x`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(ALIAS + ".") or sys.modules.get(ALIAS) is not sys.modules[OURS]:
            return None
        ours = OURS + fullname.removeprefix(ALIAS)
        return None if find_spec(ours) is None else ModuleSpec(fullname, _Loader(ours))


class _Loader(Loader):
    """Gives a module that is loaded under another name, unchanged."""

    def __init__(self, ours: str) -> None:
        self._ours = ours

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self._ours)
        self._spec = module.__spec__  # which the import system now replaces
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _let_children_find_it() -> None:
    """Give processes that are started from here a package caffe: they import anew, and do not have the finder."""
    folder = str(Path(__file__).with_name("alias"))
    sys.path.append(folder)  # multiprocessing's spawn and forkserver hand this on
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))


USAGE = """usage: python -m caffelite.as_caffe script.py [its arguments]
       python -m caffelite.as_caffe -m module [its arguments]

Runs a program in which `import caffe` gives caffelite, for example
  python -m caffelite.as_caffe train.py --gpu 0
  python -m caffelite.as_caffe -m unittest discover
"""


def main(arguments: Sequence[str]) -> None:
    """Run a script, or a module after -m; the words behind it are what it finds in sys.argv.

    Exits with the usage, 1 where there is nothing to run.
    """
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    words = arguments[1:] if arguments[:1] == ["-m"] else arguments
    if not words:
        raise SystemExit(USAGE)
    if words is arguments and not os.path.exists(words[0]):
        raise SystemExit(f"caffelite.as_caffe: there is no script {words[0]} in {os.getcwd()}")
    install_as_caffe()
    _let_children_find_it()
    sys.argv[:] = words
    if words is arguments:
        sys.path.insert(0, str(Path(words[0]).resolve().parent))  # as Python does for a script
        runpy.run_path(words[0], run_name="__main__")
    else:
        sys.path.insert(0, os.getcwd())  # as Python does for a module
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
