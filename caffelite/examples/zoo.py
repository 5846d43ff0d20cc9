"""The nets of models/: where they lie, what they are, and whether their weights were published."""

from __future__ import annotations

from pathlib import Path

from caffelite import examples
from caffelite.core.errors import DataError
from caffelite.core.registry import Registry
from caffelite.datasets.published_weights import README, read_readme


def nets() -> Registry[Path]:
    """Return the folders of the nets by their names."""
    found: Registry[Path] = Registry("net")
    for page in sorted((examples.folder() / "models").glob(f"*/{README}")):
        found.register(page.parent.name)(page.parent)
    return found


def title(folder: Path) -> str:
    """Return the title of the net in this folder: the first heading of its readme.md."""
    lines = (folder / README).read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), folder.name)


def has_published_weights(folder: Path) -> bool:
    """Return whether readme.md says where the net's weights are to be had, and their checksum."""
    try:
        read_readme(folder / README)
    except DataError:  # it does not say it
        return False
    return True
