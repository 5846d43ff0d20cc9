"""The lessons of models/lessons: where they lie, and what their scripts share.

Each lesson is a folder with `lesson.md`, whose first line is its title, and `lesson.py`, which is run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite import examples
from caffelite.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from caffelite.core.blob import Array
    from caffelite.pictures.figure import Picture

SCRIPT = "lesson.py"
PAGE = "lesson.md"


def lessons() -> Registry[Path]:
    """Return the folders of the lessons by their names."""
    found: Registry[Path] = Registry("lesson")
    for page in sorted((examples.folder() / "models" / "lessons").glob(f"*/{PAGE}")):
        found.register(page.parent.name)(page.parent)
    return found


def title(folder: Path) -> str:
    """Return the title of the lesson in this folder: the heading that its page begins with."""
    with open(folder / PAGE, encoding="utf-8") as page:
        return page.readline().removeprefix("# ").strip()


def heading(text: str) -> None:
    """Print the title of a part."""
    print(f"\n== {text}\n", flush=True)


def question(text: str) -> None:
    """Print a question; on a terminal what follows waits for Enter."""
    print(f"\nQuestion: {text}", flush=True)
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        with suppress(EOFError):  # Ctrl-D is an answer, too
            input("(Enter shows the answer) ")
    print()


def matrix(values: Array, indent: int = 4) -> str:
    """Return an array of at most two axes as text: a row a line, columns aligned."""
    import numpy as np

    rows = [[f"{value:g}" for value in row] for row in np.atleast_2d(values)]
    width = max(len(word) for row in rows for word in row)
    return "\n".join(" " * indent + " ".join(word.rjust(width) for word in row) for row in rows)


def agree(what: str, values: Mapping[str, Array | np.generic], within: float = 0.0) -> None:
    """Print that the values, found in several ways, are the same; AssertionError if one is not `within` of the first.

    `within` is an absolute difference.
    """
    import numpy as np

    (first, expected), *others = values.items()
    apart = {name: float(np.abs(np.subtract(found, expected)).max()) for name, found in others}
    for name, difference in apart.items():
        assert difference <= within, f"{what}: {name} is {difference:g} from {first}, more than {within:g}"
    print(f"{what}: {' = '.join(values)}{f', within {within:g}' if within else ''}")


def picture(width: float, height: float) -> Picture | None:
    """Return an empty picture, inches wide and high; None, and a line that says why, without matplotlib."""
    from caffelite.core.errors import UsageError
    from caffelite.pictures import require_matplotlib

    try:
        require_matplotlib()
    except UsageError as err:
        print(f"No picture: {err}")
        return None
    from caffelite.pictures.figure import Picture

    return Picture(width, height)


def output_folder(script: str) -> Path:
    """Return the folder for what the lesson with this `__file__` makes: lessons/NAME in the working directory."""
    folder = Path("lessons") / Path(script).resolve().parent.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep(figure: Picture, script: str, name: str, colours: int = 256) -> None:
    """Write the picture as PNG file `name` of the output folder, with so many colours, and print where it is."""
    import io

    from PIL import Image  # which matplotlib brings

    path = output_folder(script) / name
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    # a palette: half of the bytes, and hardly to be seen
    Image.open(drawn).convert("RGB").quantize(colours).save(path, optimize=True)
    print(f"Picture: {path}")
