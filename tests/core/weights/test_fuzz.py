"""Damaged files by the thousand: each is an error that says so, or is read; never a crash, a hang or a memory hog."""

import faulthandler
import random
import time
import tracemalloc

import numpy as np
import pytest

from caffelite.core.data.mean import read_mean
from caffelite.core.errors import CaffeliteError
from caffelite.core.prototxt.parse import read_solver
from caffelite.core.prototxt.upgrade import load_net, upgrade_solver
from caffelite.core.weights import hdf5_state, solverstate
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.hdf5_safety import problems
from caffelite.core.weights.state_values import unpack
from caffelite.core.weights.upgrade import OldWeights
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver

LONGEST = 2.0  # seconds for one input
BATCH = 500
CONSTANT_MEMORY = 1 << 20  # what reading takes besides: Python's objects, libhdf5's own
STRANGE = [
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
        elif kind < 0.85:
            start = rng.randrange(max(end, 1))
            piece = out[start : start + rng.randrange(1, 64)]
            out[place : place + (len(piece) if rng.random() < 0.7 else 0)] = piece
        else:
            del out[place : place + rng.randrange(1, 16)]
    return bytes(out)


def is_refused(reader, path):
    try:
        reader(path)
    except CaffeliteError as err:
        assert str(err)
        return True
    return False


def memory_for(reader, path):
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    is_refused(reader, path)
    return tracemalloc.get_traced_memory()[1] - before


@pytest.fixture
def fuzz(tmp_path):
    """Feed damaged forms of a file to a reader: fuzz(source, reader, 1000). The last ones stay in tmp_path."""
    tracemalloc.start()
    faulthandler.dump_traceback_later(600, exit=True)

    def run(source, reader, count, strange=STRANGE, region=None):
        whole = source.read_bytes()
        rng, refused = random.Random(source.name), 0
        limit = 3 * len(whole) + CONSTANT_MEMORY
        for number in range(count):
            path = tmp_path / f"input{number % BATCH}"
            if number % BATCH == 0:
                write_batch([mutated(whole, rng, strange, region) for _ in range(min(BATCH, count - number))])
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
            refused += is_refused(reader, path)
            assert time.perf_counter() - start < LONGEST
            if tracemalloc.get_traced_memory()[1] - before > limit:
                assert memory_for(reader, path) < limit  # the first time a module may have been imported
        return refused

    def write_batch(inputs):
        paths = [tmp_path / f"input{number}" for number in range(len(inputs))]
        for path, data in zip(paths, inputs, strict=True):
            path.write_bytes(data)
        problems([path for path in paths if is_hdf5(path)])  # so that not each has to start a process

    yield run
    faulthandler.cancel_dump_traceback_later()
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["constant_iter_5", "weights/weights_v1_legacy", "weights/weights_double", "weights/weights_unpacked"]
)
def test_caffemodels(fuzz, golden_folder, name):
    net = Net(golden_folder / "cli" / "net.prototxt", TEST)
    assert fuzz(golden_folder / "cli" / f"{name}.caffemodel", net.copy_from, 2000) > 500


@pytest.mark.slow
def test_old_caffemodels_that_are_upgraded(fuzz, golden_folder, tmp_path):
    source = golden_folder / "cli" / "weights" / "weights_v1_legacy.caffemodel"
    fuzz(source, lambda path: OldWeights(path).write(tmp_path / "out"), 2000)


@pytest.mark.slow
def test_hdf5_caffemodels(fuzz, golden_folder, tmp_path):
    resume = golden_folder / "solvers" / "resume"
    (tmp_path / "net.prototxt").write_text(str(np.load(resume / "adam_hdf5.npz")["net"]))
    net = Net(tmp_path / "net.prototxt", TEST)
    assert fuzz(resume / "adam_iter_5.caffemodel.h5", net.load_hdf5, 3000, region=4200) > 500


def reader_of(path):
    return hdf5_state if is_hdf5(path) else solverstate


def read_any_state(path):
    state = reader_of(path).read_state(path)
    for packed in state.resume.net if state.resume else []:
        unpack(packed)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_states_that_caffe_wrote(fuzz, golden_folder, suffix):
    source = golden_folder / "solvers" / "resume" / f"adam_iter_5.solverstate{suffix}"
    assert fuzz(source, read_any_state, 3000, region=2100) > 300


@pytest.mark.slow
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

    assert fuzz(state_file, restore, 1500) > 300


@pytest.mark.slow
def test_mean_files(fuzz, golden_folder):
    fuzz(golden_folder / "data" / "mean.binaryproto", read_mean, 500)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cli/net", "cli/upgrade/v0_net", "cli/upgrade/v1_net", "cli/upgrade/input_fields"])
def test_prototxts_of_nets(fuzz, golden_folder, name):
    assert fuzz(golden_folder / f"{name}.prototxt", load_net, 1000, strange=WORDS) > 300


@pytest.mark.slow
def test_prototxts_of_solvers(fuzz, golden_folder):
    solver = golden_folder / "cli" / "solver.prototxt"
    assert fuzz(solver, lambda path: upgrade_solver(*read_solver(path)), 1000, strange=WORDS) > 300


@pytest.mark.slow
def test_nets_of_damaged_prototxts(fuzz, golden_folder):
    assert fuzz(golden_folder / "cli" / "net.prototxt", lambda path: Net(path, TEST), 1000, strange=WORDS) > 300
