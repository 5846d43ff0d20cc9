"""Trained weights that a model folder's readme.md says where to get. Source: scripts/download_model_binary.py."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import NamedTuple

from caffelite.core.errors import DataError
from caffelite.core.files import read_file, reason_of
from caffelite.datasets.download import RemoteFile, download_from

log = logging.getLogger("caffelite")

README = "readme.md"
FENCE = "---"  # the line above and below the fields, which stand first in the file


class PublishedWeights(NamedTuple):
    """The name of the file in the model's folder, the address to get it from, and its SHA-1 (40 digits)."""

    caffemodel: str
    caffemodel_url: str
    sha1: str


def download_weights(folder: Path) -> Path:
    """Return the caffemodel in a model's folder, which is downloaded unless it is there and has the SHA-1 of readme.md.

    Another file in its place is replaced when the right one is wholly here. Raises DataError, naming file, line or
    address, if readme.md does not tell what is needed or the file cannot be had.
    """
    wanted = read_readme(folder / README)
    path = folder / wanted.caffemodel
    download_from(
        RemoteFile(wanted.caffemodel, None, sha1=wanted.sha1),
        [wanted.caffemodel_url],
        folder,
        f"fetch it another way and put it at {path}",
    )
    return path


def read_readme(path: Path) -> PublishedWeights:
    """Return what the lines `caffemodel: NAME` and others between two lines of --- say; DataError if one is missing."""
    fields = _fields(path)
    if missing := [name for name in PublishedWeights._fields if not fields.get(name, (0, ""))[1]]:
        raise DataError(
            f"{path} does not say {' and '.join(missing)}; the file has to begin with lines such as `sha1: 4c8d...` "
            f"between two lines of {FENCE}"
        )
    name, url, sha1 = (fields[field][1] for field in PublishedWeights._fields)
    if name in (".", "..") or re.search(r"[/\\\0]", name):
        raise _wrong(path, fields, "caffemodel", "give a name without a folder")
    if not re.match(r"https?://|ftp://", url):
        raise _wrong(path, fields, "caffemodel_url", "give an address that begins with http://, https:// or ftp://")
    if not re.fullmatch("[0-9a-fA-F]{40}", sha1):
        raise _wrong(path, fields, "sha1", "give the 40 digits that sha1sum prints")
    return PublishedWeights(name, url, sha1.lower())


def _fields(path: Path) -> dict[str, tuple[int, str]]:
    """Return line and value of each field; of YAML, only values that stand in the line of their name are read."""
    try:
        lines = [line.strip() for line in read_file(path).decode(errors="replace").splitlines()]
    except (OSError, ValueError) as err:
        reason = reason_of(err) if isinstance(err, OSError) else f"{path}: {err}"
        raise DataError(f"{reason}; give the folder of a model, whose {README} tells its weights") from None
    fences = [number for number, line in enumerate(lines) if line == FENCE]
    found = {}
    for number in range(fences[0] + 1, fences[1]) if len(fences) > 1 else ():
        if field := re.match(r"""(\w+):\s+(?:"(?P<q>[^"]*)"|'(?P<s>[^']*)'|(?P<plain>.*?))(\s+#.*)?$""", lines[number]):
            found[field[1]] = (number + 1, field["q"] or field["s"] or field["plain"] or "")
    return found


def _wrong(path: Path, fields: dict[str, tuple[int, str]], name: str, fix: str) -> DataError:
    line, value = fields[name]
    return DataError(f"{path}:{line}: {name} is {value}; {fix}")
