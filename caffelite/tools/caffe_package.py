"""A package `caffe` that is caffelite, for programs that import or look for one by that name."""

from __future__ import annotations

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from caffelite.core.errors import UsageError
from caffelite.core.weights.atomic import replacing

NAME = "caffe"
MARK = "# This package stands for caffelite; `caffelite alias` or `caffelite make-caffe-root` made it."
SOURCE = f'''{MARK}
"""caffelite under the name caffe: `import caffe` gives caffelite itself, and `caffe.io` is the module caffelite.io."""

import sys

try:
    from caffelite.as_caffe import install_as_caffe
except ImportError as err:
    if not (err.name or "").startswith("caffelite"):
        raise
    raise ImportError(f"{{__file__}} is caffelite, which {{sys.executable}} has not: pip install caffelite") from err

del sys.modules[__name__]  # caffelite takes the name
install_as_caffe()
'''


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
    """Return the folder for packages of the running environment."""
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

    Raises UsageError if what is there is not ours.
    """
    folder = site_packages() / NAME
    if not os.path.lexists(folder):
        return None
    if not is_ours(folder):
        raise UsageError(f"{folder} is not caffelite's, and nothing was changed")
    kept = sorted({path.name for path in folder.iterdir()} - {"__init__.py", "__pycache__"})
    if kept:
        raise UsageError(f"{folder} also has {', '.join(kept)}, which is not caffelite's, and nothing was changed")
    shutil.rmtree(folder)
    return folder


def _other(folder: Path) -> str | None:
    """Return where another caffe is: in the place of ours, or anywhere that `import caffe` looks."""
    if os.path.lexists(folder) and not is_ours(folder):
        return str(folder)
    spec = find_spec(NAME)
    if spec is None or spec.origin is None or is_ours(Path(spec.origin).parent):  # without origin: a mere folder
        return None
    return spec.origin
