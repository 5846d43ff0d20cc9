"""Damaged caffemodels and solverstates, in both formats."""

import numpy as np
import pytest

from caffelite.core.weights import hdf5_state, solverstate
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.state_values import unpack
from caffelite.core.weights.upgrade import OldWeights
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver


@pytest.mark.parametrize(
    "name", ["constant_iter_5", "weights/weights_v1_legacy", "weights/weights_double", "weights/weights_unpacked"]
)
def test_caffemodels(fuzz, golden_folder, name):
    net = Net(golden_folder / "cli" / "net.prototxt", TEST)
    assert fuzz((golden_folder / "cli" / f"{name}.caffemodel").read_bytes(), net.copy_from) > 0.2


def test_old_caffemodels_that_are_upgraded(fuzz, golden_folder, tmp_path):
    source = golden_folder / "cli" / "weights" / "weights_v1_legacy.caffemodel"
    assert fuzz(source.read_bytes(), lambda path: OldWeights(path).write(tmp_path / "out")) > 0.2


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
