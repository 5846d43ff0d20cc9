"""A program: go through HDF5 files as their readers do, within limits of memory and time. See hdf5_safety.py.

Prints a line for each file, `ok` or what is wrong with it. Damage can make libhdf5 take all memory or never come back;
then this process dies instead of the user's. With `--only=["data", "label"]`, in JSON, before the files it looks at
these datasets of the root alone, and not at their values.
"""

import json
import os
import resource
import signal
import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this file's own folder, whose names are not for import

import h5py  # noqa: E402

MEMORY = 256 << 20  # bytes beyond those that the file itself has
SECONDS = 2
ONLY = "--only="
BYTES_A_SECOND = 50_000_000  # that compressed values are read with, at least


def walk(path: str) -> None:
    """Look at all groups and datasets of a file, each once, and at compressed values."""
    seen = set()
    with h5py.File(path, "r") as root:
        waiting = [root]
        while waiting:
            group = waiting.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in seen:
                continue
            seen.add(address)
            for name in group:
                if name in group and isinstance(group.get(name, getlink=True), h5py.HardLink):
                    child = group[name]
                    if isinstance(child, h5py.Group):
                        waiting.append(child)
                    elif isinstance(child, h5py.Dataset):
                        look_at(child)


def walk_only(path: str, names: list[str]) -> None:
    """Look at these datasets of the root, as far as they are there, but not at their values."""
    with h5py.File(path, "r") as root:
        for name in names:
            if name in root and isinstance(root.get(name, getlink=True), h5py.HardLink):
                child = root[name]
                if isinstance(child, h5py.Dataset):
                    look_at(child, values=False)


def look_at(dataset: h5py.Dataset, values: bool = True) -> None:
    """Look at all that a reader asks a dataset."""
    shape, kind, chunks = dataset.shape, dataset.dtype.kind, dataset.chunks
    if dataset.is_virtual or dataset.external or shape is None or kind not in "fiu":
        return
    if chunks is not None and values:
        for part in dataset.iter_chunks():
            dataset[part]


def used() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def main(paths: list[str]) -> None:
    """Walk the files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = None
    if paths[0].startswith(ONLY):
        names = json.loads(paths.pop(0).removeprefix(ONLY))
    for path in paths:
        size = os.path.getsize(path) if names is None else 0  # of the values that are read
        if os.path.exists("/proc/self/statm"):  # elsewhere there is the limit of time alone
            limit = used() + MEMORY + size
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
        signal.alarm(SECONDS + size // BYTES_A_SECOND)  # its default action ends even C code
        try:
            if names is None:
                walk(path)
            else:
                walk_only(path, names)
        except Exception as err:
            print(f"{type(err).__name__} {err}".replace("\n", " ").encode("ascii", "replace").decode(), flush=True)
        else:
            print("ok", flush=True)
        signal.alarm(0)


if __name__ == "__main__":
    main(sys.argv[1:])
