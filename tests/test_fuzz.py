"""Damaged files by the thousand: each is an error that says so, or is read; never a crash, a hang or a memory hog.

Every kind of file that caffelite reads has its doors here. `pytest -m slow` runs each for 30 seconds, `pytest -m soak`
for an hour with other seeds. The inputs of the last batch stay in the test's folder.
"""

import faulthandler
import gzip
import io
import random
import shutil
import struct
import tarfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.data.mean import read_mean
from caffelite.core.errors import CaffeliteError
from caffelite.core.prototxt.parse import read_solver
from caffelite.core.prototxt.upgrade import load_net, upgrade_solver
from caffelite.core.weights import hdf5_state, solverstate
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.hdf5_safety import problems
from caffelite.core.weights.state_values import unpack
from caffelite.core.weights.upgrade import OldWeights
from caffelite.datasets.cifar10 import RECORD, Cifar10
from caffelite.datasets.download import RemoteFile
from caffelite.datasets.idx import read_idx
from caffelite.proto.caffe_pb2 import TEST, Datum
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver

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
WORDS = [
    b"{",
    b"}",
    b":",
    b'"',
    b"'",
    b"#",
    b"layer",
    b"1e999",
    b"-1",
    b"99999999999999999999",
    b"4294967295",
    b"\x00",
    b"\xff",
    b"nan",
    b"[",
    b",",
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
    params=[pytest.param(30, marks=pytest.mark.slow, id="30s"), pytest.param(3600, marks=pytest.mark.soak, id="1h")]
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
        assert most_memory() < 2 << 30  # what no Python object holds, too
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


@pytest.mark.parametrize(
    "name", ["constant_iter_5", "weights/weights_v1_legacy", "weights/weights_double", "weights/weights_unpacked"]
)
def test_caffemodels(fuzz, golden_folder, name):
    net = Net(golden_folder / "cli" / "net.prototxt", TEST)
    assert fuzz((golden_folder / "cli" / f"{name}.caffemodel").read_bytes(), net.copy_from) > 0.2


def test_old_caffemodels_that_are_upgraded(fuzz, golden_folder, tmp_path):
    source = golden_folder / "cli" / "weights" / "weights_v1_legacy.caffemodel"
    fuzz(source.read_bytes(), lambda path: OldWeights(path).write(tmp_path / "out"))


def test_hdf5_caffemodels(fuzz, golden_folder, tmp_path):
    resume = golden_folder / "solvers" / "resume"
    (tmp_path / "net.prototxt").write_text(str(np.load(resume / "adam_hdf5.npz")["net"]))
    net = Net(tmp_path / "net.prototxt", TEST)
    assert fuzz((resume / "adam_iter_5.caffemodel.h5").read_bytes(), net.load_hdf5, region=4200) > 0.1


def reader_of(path):
    return hdf5_state if is_hdf5(path) else solverstate


def read_any_state(path):
    state = reader_of(path).read_state(path)
    for packed in state.resume.net if state.resume else []:
        unpack(packed)


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_states_that_caffe_wrote(fuzz, golden_folder, suffix):
    source = golden_folder / "solvers" / "resume" / f"adam_iter_5.solverstate{suffix}"
    assert fuzz(source.read_bytes(), read_any_state, region=2100) > 0.1


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_our_states_are_restored_or_refused_and_never_differ(fuzz, golden_folder, tmp_path, format):
    net = golden_folder / "cli" / "net.prototxt"
    text = f'net: "{net}" lr_policy: "fixed" base_lr: 0.1 snapshot_format: {format} snapshot_prefix: "{tmp_path}/a"'
    (tmp_path / "solver.prototxt").write_text(text)
    solver = get_solver(tmp_path / "solver.prototxt")
    solver.step(2)
    state_file = tmp_path / solver.snapshot().state_file
    history = solver.histories[0].copy()

    def restore(path):
        solver.restore(path)
        if reader_of(path).read_state(path).resume is not None:  # else it passes for one of Caffe's, without a checksum
            assert solver.iter == 2
            np.testing.assert_array_equal(solver.histories[0], history)

    assert fuzz(state_file.read_bytes(), restore) > 0.2


def test_mean_files(fuzz, golden_folder):
    fuzz((golden_folder / "data" / "mean.binaryproto").read_bytes(), read_mean)


@pytest.mark.parametrize("name", ["cli/net", "cli/upgrade/v0_net", "cli/upgrade/v1_net", "cli/upgrade/input_fields"])
def test_prototxts_of_nets(fuzz, golden_folder, name):
    source = (golden_folder / f"{name}.prototxt").read_bytes()
    assert fuzz(source, load_net, WORDS, memory=1 << 23) > 0.3


def test_prototxts_of_solvers(fuzz, golden_folder):
    source = (golden_folder / "cli" / "solver.prototxt").read_bytes()
    assert fuzz(source, lambda path: upgrade_solver(*read_solver(path)), WORDS) > 0.3


def test_nets_that_are_run(fuzz, golden_folder):
    """All that a legal net may hold: numbers of any size, too."""

    def run(path):
        net = Net(path, TEST)
        if sum(blob.count for blob in net.blobs.values()) < 1 << 20:
            net.forward()

    assert fuzz((golden_folder / "cli" / "net.prototxt").read_bytes(), run, WORDS, memory=1 << 26) > 0.3


def test_solvers_that_are_made(fuzz, golden_folder, tmp_path):
    shutil.copy(golden_folder / "cli" / "net.prototxt", tmp_path)
    source = (golden_folder / "cli" / "solver.prototxt").read_bytes()

    def make(path):
        get_solver(path).close()

    assert fuzz(source, make, WORDS, memory=1 << 26) > 0.2


def test_records(fuzz):
    datum = Datum(channels=3, height=4, width=5, data=bytes(60), label=7)
    reader = DatumReader("database")
    assert fuzz(datum.SerializeToString(), lambda path: reader.read(b"key", path.read_bytes())) > 0.2


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_encoded_images(fuzz, extension):
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(1).integers(0, 256, (16, 20, 3), np.uint8)
    reader = DatumReader("database", force_color=True)

    def read(path):
        datum = Datum(encoded=True, data=path.read_bytes(), label=7)
        reader.read(b"key", datum.SerializeToString())

    image = cv2.imencode(extension, pixels)[1].tobytes()
    assert fuzz(image, read, memory=1 << 28) > 0.05  # decoders keep what they can of a damaged image


def test_lmdb_databases(fuzz, tmp_path):
    folder = tmp_path / "made"
    records = [(b"%04d" % index, b"x" * (index * 7 % 3000)) for index in range(400)]
    write_lmdb(folder, records)

    def read(path):
        database = tmp_path / "database"
        database.mkdir(exist_ok=True)
        shutil.copy(path, database / "data.mdb")
        reader = LmdbReader(database)
        reader.read(min(reader.entries, 1000))

    assert fuzz((folder / "data.mdb").read_bytes(), read, region=1 << 16) > 0.2


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files(fuzz, suffix):
    content = struct.pack(">4I", 0x803, 10, 4, 5) + bytes(range(200))
    whole = gzip.compress(content) if suffix else content
    assert fuzz(whole, lambda path: read_idx(path, (10, 4, 5)), suffix=suffix) > 0.2


def test_archives_of_cifar10(fuzz, tmp_path):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        for name in (*Cifar10.train_files, *Cifar10.test_files):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = 2 * RECORD
            members.addfile(member, io.BytesIO(bytes(2 * RECORD)))
    dataset = Cifar10(RemoteFile("input.tar.gz", 0, ""), "", images_per_file=2)
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()

    def make(path):
        shutil.copy(path, source / "input.tar.gz")
        shutil.rmtree(out, ignore_errors=True)
        dataset.make(out, source, None)

    assert fuzz(archive.getvalue(), make, suffix=".tar.gz", memory=1 << 24) > 0.2
