"""Which source files a kernel can reach, and one stamp for all their texts: machine code is as old as its sources.

A kernel is built from its own file, the helpers that it calls, theirs, and the constants that any of these import.
So the files are found from module to module: by every import statement, absolute or relative, at the top or inside a
function, and by the modules that the objects among a module's globals come from, which finds what was handed on under
another name. Files of Python's library and of installed packages are left out, unless the kernel itself is part of
such a package: their versions are not ours to follow, but for numba's, which is part of the name of each stored file.
"""

import ast
import contextlib
import hashlib
import sys
import sysconfig
import time
import types
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

PACKAGE = "caffelite.core.kernels"
KERNEL_FOLDER = Path(__file__).parent.parent
# These decide how every kernel is compiled, stored and run.
_COMPILING = tuple(
    f"{PACKAGE}.jit.{name}" for name in ("compile", "cache", "numba_compat", "sources", "threads", "versions")
)
_FOREIGN = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))
_IMPORTERS = ("import_module", "__import__")

# What changes later may differ from what was imported. The clock of files is some milliseconds behind.
_STARTED = time.time_ns() - 50_000_000


def has_source(function: Callable[..., Any]) -> bool:
    """Whether the function was read from a file: what is typed at a prompt is not kept on disk."""
    return Path(function.__code__.co_filename).is_file()


def source_stamp(function: Callable[..., Any]) -> str | None:
    """Return a hash of the package version and of the text of every file that the kernel `function` can reach.

    None if one of them was written after this module was imported: what is in memory may be of the text before.
    """
    digest = hashlib.sha256(version("caffelite").encode())
    for path in sorted(reachable_files(function)):
        if path.stat().st_ctime_ns > _STARTED:  # not st_mtime, which copying may keep
            return None
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(_text(path)).digest())
    return digest.hexdigest()


def place_of(path: str) -> str:
    """Return the place of a kernel's file: of ours inside kernels/, so that copies of the package share machine code.

    Others keep their whole path: the globals that their code is made with need not be told by the text, as a constant
    that is read from another file.
    """
    try:
        return Path(path).resolve().relative_to(KERNEL_FOLDER.resolve()).as_posix()
    except ValueError:
        return path


def reachable_files(function: Callable[..., Any]) -> set[Path]:
    """Return the files of `function`, of all modules of ours that it can reach, and of those that compile it.

    If a module cannot tell what it imports, since it has no source, these are all files of kernels/.
    """
    found = {Path(function.__code__.co_filename)}
    own = _full_name(function.__globals__).partition(".")[0]
    waiting = [function.__globals__, *(vars(sys.modules[name]) for name in _COMPILING if name in sys.modules)]
    waiting += [vars(sys.modules[name]) for name in _modules_of_values(_closure(function)) if name in sys.modules]
    seen = {id(scope) for scope in waiting}
    while waiting:
        scope = waiting.pop()
        path = scope.get("__file__")
        names = set(_modules_of_values(_own_values(scope)))
        if path is not None and Path(path).is_file() and Path(path).suffix == ".py":
            found.add(Path(path))
            names.update(_imported_modules(scope))
        elif path is not None or "__path__" not in scope:  # else a folder without a file of its own
            found.update(KERNEL_FOLDER.rglob("*.py"))
            found.update(_archive_of(path))
        for name in names:
            module = sys.modules.get(name)
            if module is not None and id(vars(module)) not in seen and _is_ours(module, own):
                seen.add(id(vars(module)))
                waiting.append(vars(module))
    return found


@cache
def _text(path: Path) -> bytes:
    return path.read_bytes()


def _is_ours(module: types.ModuleType, own: str) -> bool:
    """Whether to follow a module: one of this package, of the kernel's own package, or of no installed package."""
    top = module.__name__.partition(".")[0]
    if top in ("caffelite", own):
        return True
    if getattr(module, "__file__", None) is None and not list(getattr(module, "__path__", ())):
        return False  # built in
    return not _is_installed(str(getattr(module, "__file__", None) or next(iter(module.__path__))))


@cache  # links are followed, of each module that any kernel's module names: most of the time of a stamp
def _is_installed(path: str) -> bool:
    place = Path(path).resolve()
    return any(place.is_relative_to(folder) for folder in _FOREIGN)


def _imported_modules(scope: dict[str, Any]) -> Iterator[str]:
    """Names of what the module's import statements may load; of `from a import b` both a and a.b."""
    package = scope.get("__package__") or ""
    for level, base, names in _imports_of(Path(scope["__file__"])):
        if level and not package:
            continue  # cannot run either
        origin = resolve_name("." * level + base, package) if level else base
        if origin:
            yield origin
        yield from (f"{origin}.{name}" for name in names)


@cache
def _imports_of(path: Path) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Each import statement of a file: its level (dots), module, and the names taken from it."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Import):
            found += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _IMPORTERS and isinstance(node.args[0].value, str):
                found.append((0, node.args[0].value.lstrip("."), ()))
    return tuple(found)


def _full_name(scope: dict[str, Any]) -> str:
    """Name of a module by which it is imported: of one that is run, `python -m a.b`, it is not __name__."""
    spec = scope.get("__spec__")
    return str(getattr(spec, "name", None) or scope.get("__package__") or scope.get("__name__", ""))


def _archive_of(path: str | None) -> list[Path]:
    """Return the file that a module's path leads into, as a zip file; [] if there is none."""
    return [] if path is None else [parent for parent in Path(path).parents if parent.is_file()]


def _own_values(scope: dict[str, Any]) -> list[Any]:
    """Return what a module's globals hold; of our own packages without the sub-modules that others have imported."""
    values = list(scope.values())
    if "__path__" in scope and f"{scope.get('__name__')}.".startswith("caffelite."):
        return [value for value in values if not isinstance(value, types.ModuleType)]
    return values


def _modules_of_values(values: Iterable[Any]) -> Iterator[str]:
    """Names of the modules that values, and members of tuples, lists and tables among them, come from."""
    for value in values:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
        yield from (name for member in (value, *members) if (name := _home(member)))


def _closure(function: Callable[..., Any]) -> list[Any]:
    """Return what an inner function took from the function around it."""
    values = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet: the function around it has not come so far
            values.append(cell.cell_contents)
    return values


def _home(value: Any) -> str | None:
    """Name of the module that a function, class, kernel, intrinsic or module comes from; None for plain values."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else None
