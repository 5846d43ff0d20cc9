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


DIGITS = {"sha256": 64, "sha1": 40}  # of a checksum


class PublishedWeights(NamedTuple):
    """The name of the file in the model's folder, the address to get it from, and its SHA-1 or SHA-256 in digits."""

    caffemodel: str
    caffemodel_url: str
    sha1: str = ""
    sha256: str = ""


def download_weights(folder: Path) -> Path:
    """Return the caffemodel in a model's folder, downloaded unless it is there and has the checksum in readme.md.

    Another file in its place is replaced when the right one is wholly here. Raises DataError, naming file, line or
    address, if readme.md does not tell what is needed or the file cannot be had.
    """
    wanted = read_readme(folder / README)
    path = folder / wanted.caffemodel
    download_from(
        RemoteFile(wanted.caffemodel, None, wanted.sha256, wanted.sha1),
        [wanted.caffemodel_url],
        folder,
        f"fetch it another way and put it at {path}",
    )
    return path


def read_readme(path: Path) -> PublishedWeights:
    """Return what the lines `caffemodel: NAME` and others between two lines of --- say; DataError if one is missing."""
    fields = _fields(path)
    given = {name: value for name, (_, value) in fields.items() if value}
    missing = [name for name in ("caffemodel", "caffemodel_url") if name not in given]
    if not any(name in given for name in DIGITS):
        missing.append("sha1 or sha256")
    if missing:
        raise DataError(
            f"{path} does not say {' and '.join(missing)}; the file has to begin with lines such as `sha1: 4c8d...` "
            f"between two lines of {FENCE}"
        )
    name, url = given["caffemodel"], given["caffemodel_url"]
    if name in (".", "..") or re.search(r"[/\\\0]", name):
        raise _wrong(path, fields, "caffemodel", "give a name without a folder")
    if not re.match(r"https?://|ftp://", url):
        raise _wrong(path, fields, "caffemodel_url", "give an address that begins with http://, https:// or ftp://")
    for kind, digits in DIGITS.items():
        if kind in given and not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", given[kind]):
            raise _wrong(path, fields, kind, f"give the {digits} digits that {kind}sum prints")
    return PublishedWeights(name, url, given.get("sha1", "").lower(), given.get("sha256", "").lower())


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
