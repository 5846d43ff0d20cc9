"""Original files of data sets: from a folder or from a server, and never trusted."""

from __future__ import annotations

import hashlib
import logging
from http.client import HTTPException
from pathlib import Path
from typing import IO, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from caffelite.core.errors import DataError
from caffelite.datasets.progress import Progress

log = logging.getLogger("caffelite")

CHUNK = 1 << 16  # bytes: of a slow server, too, several come in a second
SECONDS = 60  # without a byte from the server


class RemoteFile(NamedTuple):
    """A file that everybody must get the same: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


def download(file: RemoteFile, url: str, folder: Path) -> Path:
    """Fetch `file` from the folder `url` of a server into `folder` and return its path.

    Raises DataError, naming the file, if it cannot be had or is not the one that is expected.
    """
    address = f"{url.rstrip('/')}/{file.name}"
    log.info("Downloading %s (%d bytes)", address, file.size)
    target = folder / file.name
    digest = hashlib.sha256()
    try:
        with urlopen(address, timeout=SECONDS) as answer, target.open("wb") as kept:
            received = _copy(answer, kept, digest, file.size)
    except (URLError, HTTPException, OSError, ValueError) as err:
        raise DataError(
            f"cannot download {address}: {err}; fetch it another way, put it into a folder and give --source FOLDER"
        ) from None
    if received != file.size:
        more = "or more " if received > file.size else ""
        raise DataError(f"{address} is not the expected file: {received} {more}bytes instead of {file.size}")
    if digest.hexdigest() != file.sha256:
        raise DataError(
            f"{address} is not the expected file: its SHA-256 is {digest.hexdigest()} instead of {file.sha256}"
        )
    return target


def _copy(answer: IO[bytes], kept: IO[bytes], digest: hashlib._Hash, size: int) -> int:
    """Copy at most one byte more than `size`; returns how many came."""
    received = 0
    progress = Progress("Downloading", size, "bytes")
    while received <= size and (chunk := answer.read(min(CHUNK, size + 1 - received))):
        received += len(chunk)
        digest.update(chunk)
        kept.write(chunk)
        progress.reached(received)
    return received


def find(folder: Path, names: list[str]) -> Path:
    """Return the first of the files `names` in `folder`; DataError, with all names, if none is there."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} has no file {' or '.join(names)}")
