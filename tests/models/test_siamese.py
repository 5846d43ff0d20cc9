"""models/siamese: trained from its prototxt alone, it tells digits by their places on a plane."""

import os
import re
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

from caffelite.proto.caffe_pb2 import TEST, Datum
from caffelite.pycaffe import Net

ROOT = Path(__file__).resolve().parents[2]


def digits(folder, split):
    """Return the images, (N, 1, 28, 28) from 0 to 1, and labels of a database of digits, read without caffelite."""
    images, labels = [], []
    with lmdb.open(str(folder / f"data/digits_{split}_lmdb"), readonly=True, lock=False) as database:
        for _, value in database.begin().cursor():
            datum = Datum.FromString(bytes(value))
            images.append(np.frombuffer(datum.data, np.uint8).reshape(1, 28, 28) * np.float32(0.00390625))
            labels.append(datum.label)
    return np.array(images), np.array(labels)


@pytest.mark.slow
def test_tells_digits_by_the_nearest_centre(tmp_path):
    """The figures of its readme: a loss of 0.016, 95 % of the test digits nearest to their own class's centre."""
    for name in ("models", "solvers"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for words in (["dataset", "digits"], ["train", "--solver", "solvers/siamese.prototxt"]):
        command = [sys.executable, "-m", "caffelite", *words]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    losses = [float(value) for value in re.findall(r"Test net output #0: loss = ([\d.]+)", run.stderr)]
    assert losses[0] > 0.2
    assert losses[-1] < 0.02
    weights = tmp_path / "snapshots/siamese_iter_1500.caffemodel"
    net = Net(ROOT / "models/siamese/deploy.prototxt", TEST, weights=weights)

    def places(images):
        net.blobs["data"].reshape(*images.shape)
        net.reshape()
        return net.forward(data=images)["feat"].copy()

    images, labels = digits(tmp_path, "train")
    trained = places(images)
    centres = np.array([trained[labels == label].mean(axis=0) for label in range(10)])
    images, labels = digits(tmp_path, "test")
    nearest = np.linalg.norm(places(images)[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() >= 0.93
