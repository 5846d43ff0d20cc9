"""A package `caffe` that is caffelite, for programs that import or look for one by that name."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import caffelite
from caffelite.core.errors import UsageError
from caffelite.core.weights.atomic import replacing

NAME = "caffe"
SOURCE = (Path(caffelite.__file__).parent / "alias" / "caffe.py").read_text(encoding="utf-8")
MARK = SOURCE.partition("\n")[0]


def write(folder: Path) -> None:
    """Make the package `folder`, which is named caffe, or make it anew; OSError or WeightsError if it cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "__init__.py") as file:
        file.write(SOURCE.encode())


def is_ours(folder: Path) -> bool:
    """Whether the package is one that `write` made."""
    try:
        return (folder / "__init__.py").read_text(encoding="utf-8", errors="replace").startswith(MARK)
    except OSError:
        return False


def site_packages() -> Path:
    """Return the folder for packages of the running environment; the user's own if that has caffelite.

    Outside a virtual environment the first may be the system's, and closed.
    """
    own = Path(site.getusersitepackages())
    if sys.prefix == sys.base_prefix and Path(caffelite.__file__).parent.parent == own:
        return own
    return Path(sysconfig.get_path("purelib"))


def add_alias() -> Path:
    """Put the package into the running environment and return its place; one of ours that is there is made anew.

    Raises UsageError if the environment has another caffe.
    """
    folder = site_packages() / NAME
    if (other := _other(folder)) is not None:
        raise UsageError(f"there is another caffe at {other}, and nothing was changed; uninstall it first")
    write(folder)
    return folder


def remove_alias() -> Path | None:
    """Remove the package from the running environment, and return its place; None if there is none.

    Raises UsageError if what is there is not ours or cannot be removed.
    """
    folder = site_packages() / NAME
    if not os.path.lexists(folder):
        return None
    if not is_ours(folder):
        raise UsageError(f"{folder} is not caffelite's, and nothing was changed")
    if folder.is_symlink():  # the package lies elsewhere, and stays there
        folder.unlink()
        return folder
    kept = sorted({path.name for path in folder.iterdir()} - {"__init__.py", "__pycache__"})
    if kept:
        raise UsageError(f"{folder} also has {', '.join(kept)}, which is not caffelite's, and nothing was changed")
    try:
        shutil.rmtree(folder)
    except OSError as err:  # which names a file without its folder
        raise UsageError(f"cannot remove {folder}: {err.strerror}") from None
    return folder


def _other(folder: Path) -> str | None:
    """Return where another caffe is: in the place of ours, or anywhere that `import caffe` looks."""
    if os.path.lexists(folder) and not is_ours(folder):
        return str(folder)
    spec = find_spec(NAME)
    if spec is None or spec.origin is None or is_ours(Path(spec.origin).parent):  # without origin: a mere folder
        return None
    return spec.origin
