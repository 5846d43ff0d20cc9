"""models/mtcnn: with the authors' weights the three nets give what BVLC Caffe 1.0 gives."""

from pathlib import Path

import numpy as np
import pytest

from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

ROOT = Path(__file__).resolve().parents[2]
# Of det1's 16,500 corrections of boxes, 0.4 at most, some are differences that all but cancel, so float32 keeps fewer
# of their digits: 77 of Caffe's own, and 94 of ours, are more than 1e-4 off what float64 gives.
ATOL = {"conv4-2": 2e-6}


@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_gives_what_caffe_gives(name):
    folder = ROOT / "models/mtcnn"
    with np.load(ROOT / f"tests/golden/mtcnn/{name}_expected.npz") as file:
        expected = dict(file)
    net = Net(folder / f"{name}.prototxt", TEST, weights=folder / f"{name}.caffemodel")
    net.blobs["data"].reshape(*expected["input"].shape)
    outputs = net.forward(data=expected["input"])
    assert {f"out_{blob}" for blob in outputs} == {key for key in expected if key.startswith("out_")}
    for blob, values in outputs.items():
        np.testing.assert_allclose(values, expected[f"out_{blob}"], rtol=1e-4, atol=ATOL.get(blob, 0), err_msg=blob)
    sums = {key.removeprefix("sum_"): value for key, value in expected.items() if key.startswith("sum_")}
    assert len(sums) >= 5
    for blob, (absolute, signed) in sums.items():
        values = net.blobs[blob].data.astype(np.float64)
        assert np.abs(values).sum() == pytest.approx(absolute, rel=1e-4), blob
        assert values.sum() == pytest.approx(signed, abs=1e-4 * absolute), blob
