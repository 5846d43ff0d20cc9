"""models/lstm_sequence: its labels, and that it learns to remember."""

from pathlib import Path

import numpy as np

from caffelite.core.prototxt.parse import read_solver
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/lstm_sequence/train_val.prototxt"


def test_labels_are_the_places_of_the_largest_first_numbers():
    net = Net(MODEL, TEST, seed=1)
    blobs = net.blobs
    net.forward()
    largest = blobs["numbers"].data[0].argmax(axis=1)
    assert (blobs["labels"].data[:, :, 0] == largest).all()
    np.testing.assert_array_equal(blobs["cont"].data, np.arange(20)[:, None] * np.ones(500) > 0)


def test_seven_hundred_iterations_beat_guessing_by_far():
    param = read_solver(ROOT / "solvers/lstm_sequence.prototxt")[0]
    param.net = str(MODEL)
    param.display, param.test_interval, param.test_initialization = 0, 1000, False
    solver = get_solver(param)
    solver.step(700)
    solver.share_weights(solver.test_nets[0])
    outputs = solver.test_nets[0].forward()
    assert outputs["accuracy_after_20_steps"] > 0.75
