"""How long an epoch of an LMDB database takes to read: caffelite's reader beside a cursor of liblmdb."""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import lmdb
import numpy as np
from timing import Sample, interleave, machine_text, ratio_text

from caffelite.core.data.datum import raw_datum
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb

AT_ONCE = 64  # records, as a Data layer reads them
DATABASES = {
    "MNIST": (60000, (1, 28, 28), False),
    "MNIST, keys in random order": (60000, (1, 28, 28), True),
    "CIFAR10": (50000, (3, 32, 32), False),
    "256 x 256": (2000, (3, 256, 256), False),
}


def records(count: int, shape: tuple[int, ...], shuffled: bool) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, value) records of random images."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, shape, dtype=np.uint8)
    keys = random.permutation(count) if shuffled else range(count)
    return ((b"%08d" % key, raw_datum(pixels, int(key) % 10)) for key in keys)


def ours(folder: Path) -> Callable[[], Sample]:
    """Return a candidate for the clock: an epoch of our reader."""
    reader = LmdbReader(folder)

    def epoch() -> Sample:
        start = time.perf_counter()
        for first in range(0, reader.entries, AT_ONCE):
            reader.read(min(AT_ONCE, reader.entries - first))
        return (time.perf_counter() - start,)

    return epoch


def theirs(folder: Path) -> Callable[[], Sample]:
    """Return a candidate for the clock: an epoch of liblmdb's cursor, which copies out of the mapped file."""
    environment = lmdb.open(str(folder), readonly=True, lock=False)

    def epoch() -> Sample:
        start = time.perf_counter()
        with environment.begin() as transaction:
            waiting = transaction.cursor().iternext()
            while list(islice(waiting, AT_ONCE)):
                pass
        return (time.perf_counter() - start,)

    return epoch


def main() -> None:
    """Print a line for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(DATABASES), help=", ".join(DATABASES))
    names = parser.parse_args().names
    print(machine_text(1, ("numpy", "lmdb")))
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            # Two folders: liblmdb opens a file once in a process, and our reader holds a place in its lock.
            folders = [Path(temporary, reader) for reader in ("ours", "theirs")]
            for folder in folders:
                write_lmdb(folder, records(*DATABASES[name]))
            timings = interleave({"ours": ours(folders[0]), "theirs": theirs(folders[1])})
        per_record = [timings[reader].total / DATABASES[name][0] * 1e6 for reader in ("ours", "theirs")]
        print(
            f"{name}: {per_record[0]:.2f} us a record, liblmdb {per_record[1]:.2f}, "
            f"ratio {ratio_text(timings['ours'], timings['theirs'])}"
        )


if __name__ == "__main__":
    main()
