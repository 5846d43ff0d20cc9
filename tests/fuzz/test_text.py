"""Damaged prototxt files of nets and solvers: read, built and run."""

import shutil

import pytest

from caffelite.core.prototxt.parse import read_solver
from caffelite.core.prototxt.upgrade import load_net, upgrade_solver
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver

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
