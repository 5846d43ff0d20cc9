"""Original files of data sets: from a folder or from servers, and never trusted."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener, getproxies, proxy_bypass

from caffelite.core.errors import DataError
from caffelite.core.files import reason_of
from caffelite.datasets.progress import Progress

log = logging.getLogger("caffelite")

CHUNK = 1 << 16  # bytes: of a slow server, too, several come in a second
SECONDS = 60  # without a byte from the server
TRIES = 3  # of one server whose connection breaks while the file comes
PARTIAL_CONTENT, NOT_SATISFIABLE = 206, 416
ADVICE = "fetch it another way, put it into a folder and give --source FOLDER"


class RemoteFile(NamedTuple):
    """A file that everybody must get the same: its name, size in bytes if it is known, and SHA-256, or else SHA-1."""

    name: str
    size: int | None
    sha256: str = ""
    sha1: str = ""

    @property
    def hash(self) -> tuple[str, str]:
        """The name of the hash, as hashlib has it, and the hash in hexadecimal digits."""
        return ("sha256", self.sha256) if self.sha256 else ("sha1", self.sha1)


def kept_downloads() -> Path:
    """Return the folder of the user's where files stay that were downloaded, `~/.cache/caffelite` on Linux."""
    import pooch

    return Path(pooch.os_cache("caffelite"))


def download(file: RemoteFile, urls: Sequence[str], folder: Path) -> Path:
    """Return the path of `file` in `folder`; what is not there yet comes from the folders `urls` of servers.

    Raises DataError as download_from.
    """
    return download_from(file, [f"{url.rstrip('/')}/{file.name}" for url in urls], folder, ADVICE)


def download_from(file: RemoteFile, addresses: Sequence[str], folder: Path, advice: str) -> Path:
    """Return the path of `file` in `folder`; what is not there yet comes from one of the `addresses`, by pooch.

    The first server that has the file gives it. What came before a connection broke, or the program was ended, is kept
    beside it as NAME.part, and asked for no second time. Of several programs one downloads at a time. Raises DataError,
    naming the addresses and with the `advice`, if the file cannot be had or is not the one that is expected.
    """
    problems = []
    try:
        with _alone(folder):
            for address in addresses:
                try:
                    return _fetched(file, address, folder)
                except _NotHadError as err:
                    problems.append(str(err))
                    log.info("%s", err)
    except OSError as err:
        raise DataError(f"cannot keep {file.name}, which is to be downloaded: {reason_of(err)}") from None
    raise DataError(f"{'; '.join(problems)}; {advice}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if it is missing, until no other program downloads to it."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Another program downloads to %s; waiting", folder)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _fetched(file: RemoteFile, address: str, folder: Path) -> Path:
    """Return the file, from the folder or else from this address; _NotHadError, OSError for the disk."""
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)  # it is told here
    kind, expected = file.hash
    for goes_on in (True, False):
        fetch = _Downloader(file, folder)
        try:
            return Path(pooch.retrieve(address, f"{kind}:{expected}", file.name, folder, downloader=fetch))
        except ValueError as err:  # of pooch's, for another hash
            if goes_on and fetch.went_on:  # perhaps the first part was that of another file
                continue
            found = re.search(r"got (\w+)", str(err))
            hash_found = found[1] if found else "another one"
            name = kind.upper().replace("SHA", "SHA-")
            raise _NotHadError(
                f"{address} is not the expected file: its {name} is {hash_found} instead of {expected}"
            ) from None
    raise AssertionError("the second time nothing is there to go on with")


class _NotHadError(Exception):
    """A server does not give the file, or gives another one; the text names the address and says why."""


class _Downloader:
    """Fetches a file for pooch, which looks at its hash and puts it in its place; goes on where it was broken off."""

    def __init__(self, file: RemoteFile, folder: Path) -> None:
        self._file = file
        self._part = folder / f"{file.name}.part"
        self.went_on = False  # behind what was there before

    def __call__(self, address: str, target: Any, pooch: Any) -> None:
        """Fetch the file at `address` to `target`.

        Raises _NotHadError, also for a file that is longer or shorter than it should be, and OSError for the disk.
        """
        size = self._file.size
        log.info("Downloading %s%s", address, "" if size is None else f" ({size} bytes)")
        for tries_left in reversed(range(TRIES)):
            before = self._size()
            try:
                self._fetch(address, before)
                break
            except (URLError, HTTPException, ConnectionError, TimeoutError, ValueError) as err:
                if not tries_left or self._size() <= before:  # nothing came: it will not be better
                    raise _NotHadError(f"cannot download {address}: {_reason(err, address)}") from None
        received = self._size()
        if size is not None and received < size:  # the server said that this was all
            self._part.unlink(missing_ok=True)
            raise _NotHadError(f"{address} is not the expected file: {received} bytes instead of {size}")
        os.replace(self._part, target)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _fetch(self, address: str, done: int) -> None:
        """Add to the part what is behind its first `done` bytes, or write it anew if the server begins there."""
        if self._file.size is not None and done >= self._file.size:
            self._part.unlink()
            done = 0
        request = Request(address, headers={"Range": f"bytes={done}-"} if done else {})
        try:
            answer = build_opener().open(request, timeout=SECONDS)  # urlopen would keep the first proxy
        except HTTPError as err:
            if err.code != NOT_SATISFIABLE:
                raise
            self._part.unlink()  # of another, longer file
            return self._fetch(address, 0)
        with answer:
            goes_on = answer.status == PARTIAL_CONTENT and _begins_at(answer, done)
            self.went_on |= goes_on
            if goes_on:
                log.info("Going on behind the %d bytes that are here", done)
            with self._part.open("ab" if goes_on else "wb") as kept:
                self._copy(address, answer, kept, done if goes_on else 0)

    def _copy(self, address: str, answer: Any, kept: Any, received: int) -> None:
        size = self._file.size
        announced = answer.headers.get("Content-Length")
        wanted = received + int(announced) if announced and announced.isdecimal() else None
        progress = Progress("Downloading", wanted if size is None else size, "bytes")
        while chunk := answer.read(CHUNK if size is None else min(CHUNK, size + 1 - received)):
            received += len(chunk)
            if size is not None and received > size:
                self._part.unlink()
                raise _NotHadError(f"{address} is not the expected file: {received} or more bytes instead of {size}")
            kept.write(chunk)
            progress.reached(received)
        if wanted is not None and received < wanted:
            raise ConnectionError(f"the connection broke after {received} of {wanted} bytes")


def _begins_at(answer: Any, place: int) -> bool:
    """Whether the part of a file that a server sends begins there."""
    return bool(re.match(rf"bytes {place}-", answer.headers.get("Content-Range", "")))


def _reason(err: Exception, address: str) -> str:
    """Return what went wrong; where no connection came about, and a proxy was to make it, with a word on that."""
    if not isinstance(err, URLError) or isinstance(err, HTTPError):
        return str(err)
    to = urlsplit(address)
    if to.scheme in getproxies() and not proxy_bypass(to.netloc):
        return f"{err.reason} (by the proxy that the environment's {to.scheme}_proxy names)"
    return str(err.reason)


def find(folder: Path, names: list[str]) -> Path:
    """Return the first of the files `names` in `folder`; DataError, with all names, if none is there."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} has no file {' or '.join(names)}")
