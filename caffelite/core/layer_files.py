"""Modules that register layer types of the user's own: files that are named, and packages with an entry point.

A package names its module in the group `caffelite.layers`::

    [project.entry-points."caffelite.layers"]
    mine = "my_package.layers"
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from caffelite.core.errors import CaffeliteError, UsageError
from caffelite.core.files import file_problem
from caffelite.core.user_code import problem_in

log = logging.getLogger("caffelite")

GROUP = "caffelite.layers"
Paths = str | bytes | os.PathLike[Any]
_loaded: set[str] = set()  # real paths
_packages_asked = False


class LayerFileError(UsageError):
    """A module that should register layer types cannot be loaded; says its file and line."""


def load_layers(files: Paths | Iterable[Paths] | None) -> None:
    """Run the modules in the files, one or several, so that the layer types which they register are known.

    A file that has run in this process, also as an imported module, is not run again. Modules beside it can be
    imported in it, and `import caffe` gives caffelite unless a real caffe is installed. Raises LayerFileError for a
    file that is not there or that raises something; before that, types that it registered stay.
    """
    if files is None:
        return
    for file in [files] if isinstance(files, (str, bytes, os.PathLike)) or not isinstance(files, Iterable) else files:
        if not isinstance(file, (str, bytes, os.PathLike)):
            raise LayerFileError(f"layers takes the path of a Python file, or several, not {file!r}")
        _load(os.fsdecode(file))


def _load(name: str) -> None:
    if problem := file_problem(name):
        raise LayerFileError(f"{problem}; layers are given as a Python file, my_layers.py")
    place = os.path.realpath(name)
    if place in _loaded or any(_is_at(module, place) for module in list(sys.modules.values())):
        return
    before = _registered()
    _run(name, lambda: _execute(place))
    _loaded.add(place)
    if _registered() == before:
        log.warning('%s registers no layer type; write @caffelite.register_layer("MyType") before a class', name)


def _registered() -> list[object]:
    from caffelite.core.layer import LAYERS

    return [kind.layer_class for name in LAYERS for kind in LAYERS[name]]


def _is_at(module: ModuleType, place: str) -> bool:
    found = getattr(module, "__file__", None)
    return isinstance(found, str) and found.endswith(".py") and os.path.realpath(found) == place


def _execute(place: str) -> None:
    from caffelite.as_caffe import install_unless_real

    install_unless_real()
    folder, name = os.path.dirname(place), _module_name(Path(place).stem, place)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise LayerFileError(f"{place}: this is no Python file; its name should end in .py")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _module_name(stem: str, place: str) -> str:
    """Return the stem of the file's name, under which others may import it, unless that is another module's name."""
    if not stem.isidentifier() or stem in sys.modules:
        return f"caffelite_layers_of_{place}"
    found = find_spec(stem)
    is_free = found is None or (found.origin is not None and os.path.realpath(found.origin) == place)
    return stem if is_free else f"caffelite_layers_of_{place}"


def _run(name: str, run: Callable[[], object]) -> None:
    """Run code of the user's; LayerFileError with file and line of what it raises."""
    try:
        run()
    except CaffeliteError as err:
        raise LayerFileError(f"{name}: {err}") from err
    except (Exception, SystemExit) as err:
        raise LayerFileError(f"{name} cannot be loaded: {problem_in(err)}") from err


def load_packages() -> None:
    """Load, once, the modules that installed packages name in the entry points `caffelite.layers`.

    What cannot be loaded is said in the log: a net that does without the package's types still runs.
    """
    global _packages_asked
    if _packages_asked:
        return
    _packages_asked = True
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist is not None else entry.name
        try:
            _run(f"{entry.value} of the package {package}", entry.load)
        except LayerFileError as err:
            log.warning("%s; its layer types are missing until the package is mended or removed", err)
