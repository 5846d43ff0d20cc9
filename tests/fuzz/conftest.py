"""Damaged files by the thousand: each is an error that says so, or is read; never a crash, a hang or a memory hog.

Every kind of file that caffelite reads has its doors in this folder. `pytest -m slow` runs each for 10 seconds,
`pytest -m soak` for an hour with other seeds. The inputs of the last batch stay in the test's folder.
"""

import faulthandler
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from caffelite.core.errors import CaffeliteError
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.hdf5_safety import problems

LONGEST = 20.0  # seconds for one input
BATCH = 100
CONSTANT_MEMORY = 1 << 20  # what reading takes besides: Python's objects, libhdf5's own
BINARY = [
    b"\xff" * 8,
    bytes(8),
    b"\xff\xff\xff\xff\x0f",
    b"\x80" * 10,
    (1 << 63).to_bytes(8, "little"),
    b"\x08",
    b"\x12",
]


def mutated(data, rng, strange, region=None):
    """Return the bytes cut, or with some of them changed, inserted, removed or copied from elsewhere."""
    out = bytearray(data)
    if rng.random() < 0.1:
        return bytes(out[: rng.randrange(len(out))])
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        end = min(region or len(out), len(out)) if rng.random() < 0.9 else len(out)
        place, kind = rng.randrange(max(end, 1)), rng.random()
        if kind < 0.35:
            out[place : place + 1] = bytes([rng.randrange(256)])
        elif kind < 0.55 and place < len(out):
            out[place] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            piece = rng.choice(strange)
            out[place : place + (len(piece) if rng.random() < 0.7 else 0)] = piece
        elif kind < 0.8:
            start = rng.randrange(max(end, 1))
            piece = out[start : start + rng.randrange(1, 64)]
            out[place : place + (len(piece) if rng.random() < 0.7 else 0)] = piece
        elif kind < 0.85:
            page = place // 4096 * 4096
            out[page : page + 4096] = bytes(len(out[page : page + 4096]))
        else:
            del out[place : place + rng.randrange(1, 16)]
    return bytes(out)


@pytest.fixture(
    params=[pytest.param(10, marks=pytest.mark.slow, id="10s"), pytest.param(3600, marks=pytest.mark.soak, id="1h")]
)
def fuzz(request, tmp_path):
    """Feed damaged forms of a file to a reader of paths: fuzz(bytes, reader) -> share of those that were refused.

    memory: bytes that the reader may take for a small input, besides three times the file's size.
    """
    tracemalloc.start()

    def run(whole, reader, strange=BINARY, region=None, suffix="", memory=CONSTANT_MEMORY):
        rng = random.Random(request.node.name + suffix)
        paths = [tmp_path / f"input{number}{suffix}" for number in range(BATCH)]
        paths[0].write_bytes(whole)
        reader(paths[0])  # makes what is made once
        Path("/proc/self/clear_refs").write_text("5")  # the process's peak begins anew
        before = most_memory()  # what earlier tests left
        count, refused, end = 0, 0, time.monotonic() + request.param
        while time.monotonic() < end:
            for path in paths:
                path.write_bytes(mutated(whole, rng, strange, region))
            problems([path for path in paths if is_hdf5(path)])  # so that not each has to start a process
            for path in paths:
                faulthandler.dump_traceback_later(LONGEST, exit=True)
                is_error, used = attempt(reader, path)
                if used > 3 * len(whole) + memory:
                    used = attempt(reader, path)[1]  # the first time a module may have been imported
                faulthandler.cancel_dump_traceback_later()
                assert used <= 3 * len(whole) + memory, path
                refused += is_error
            count += BATCH
        assert most_memory() - before < 2 << 30  # what no Python object holds, too
        print(f"{count} inputs, {refused} refused")
        return refused / count

    yield run
    faulthandler.cancel_dump_traceback_later()
    tracemalloc.stop()


def most_memory():
    """Return the most bytes that the process has had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def attempt(reader, path):
    """Return whether the reader refused the file, and the most bytes that it took meanwhile."""
    tracemalloc.reset_peak()
    before, is_error = tracemalloc.get_traced_memory()[0], False
    try:
        reader(path)
    except CaffeliteError as err:
        assert str(err)
        is_error = True
    return is_error, tracemalloc.get_traced_memory()[1] - before
