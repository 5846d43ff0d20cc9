"""How long a caffemodel takes to load and to save, beside reading and writing the same bytes."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from timing import Sample, Timing, interleave, machine_text

from caffelite import TEST, Net
from caffelite.proto.caffe_pb2 import FillerParameter, NetParameter

LAYERS = 8


def net_of(megabytes: int) -> Net:
    """Return a net of InnerProduct layers whose parameters have so many MB together."""
    param = NetParameter(name="weights")
    param.layer.add(name="in", type="Input", top=["in"]).input_param.shape.add(dim=[1, 1000])
    for number in range(LAYERS):
        layer = param.layer.add(name=f"ip{number}", type="InnerProduct", bottom=["in"], top=[f"ip{number}"])
        layer.inner_product_param.num_output = megabytes * 250 // LAYERS
        layer.inner_product_param.weight_filler.CopyFrom(FillerParameter(type="uniform", min=-1))
    return Net(param, TEST)


def timed(run: Callable[[], object]) -> Callable[[], Sample]:
    """Return a candidate for the clock."""

    def once() -> Sample:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start,)

    return once


def read_into(path: Path, buffer: bytearray) -> None:
    """Read all bytes of a file into memory that is there already."""
    with open(path, "rb", buffering=0) as file:
        view = memoryview(buffer)
        while count := file.readinto(view):
            view = view[count:]


def write_from(path: Path, buffer: bytearray) -> None:
    """Write bytes to a file and wait until they are on the disk."""
    with open(path, "wb", buffering=0) as file:
        file.write(buffer)
        os.fsync(file.fileno())


def own_memory() -> int:
    """Bytes of memory that belong to this process alone: pages of files, mapped or cached, do not count."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status has no RssAnon: this needs Linux")


def row(name: str, timing: Timing, bytes_alone: Timing) -> str:
    """Return one line of the table."""
    low, high = timing.spread()
    ratio = timing.total / bytes_alone.total
    return f"  {name:24} {timing.total * 1e3:8.1f} ms ({low * 1e3:.1f} to {high * 1e3:.1f})   {ratio:.2f} x the bytes"


def main() -> None:
    """Write a net in both formats, then time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=250)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--samples", type=int, default=3)
    options = parser.parse_args()
    print(machine_text(1, ("caffelite", "numpy", "h5py")))
    net = net_of(options.megabytes)
    with tempfile.TemporaryDirectory() as folder:
        binary, hdf5, plain = (Path(folder, name) for name in ("w.caffemodel", "w.caffemodel.h5", "plain"))
        net.save(binary)
        net.save_hdf5(hdf5)
        buffer = bytearray(binary.stat().st_size)
        before = own_memory()
        net.copy_from(binary)
        extra = own_memory() - before
        candidates = {
            "reading the bytes": timed(lambda: read_into(binary, buffer)),
            "copy_from, caffemodel": timed(lambda: net.copy_from(binary)),
            "copy_from, HDF5": timed(lambda: net.copy_from(hdf5)),
            "writing the bytes": timed(lambda: write_from(plain, buffer)),
            "save": timed(lambda: net.save(binary)),
            "save_hdf5": timed(lambda: net.save_hdf5(hdf5)),
        }
        timings = interleave(candidates, options.blocks, options.samples)
    print(f"{len(buffer) / 1e6:.0f} MB of weights, in the page cache; copy_from takes {extra / 1e6:.1f} MB of memory")
    bytes_alone = timings["reading the bytes"]
    for name, timing in timings.items():
        if name == "writing the bytes":
            bytes_alone = timing
        print(row(name, timing, bytes_alone))


if __name__ == "__main__":
    main()
