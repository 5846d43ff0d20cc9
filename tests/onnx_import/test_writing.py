from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import WeightsError
from caffelite.onnx_import.of_file import from_onnx
from caffelite.onnx_import.writing import write_both

EXPORTED = Path(__file__).parents[1] / "golden" / "onnx"
with np.load(EXPORTED / "answers.npz") as _stored:
    ANSWERS = dict(_stored)


def test_both_files_hold_the_net(tmp_path):
    imported = from_onnx(EXPORTED / "narrow_resnet_new.onnx")
    prototxt, caffemodel = write_both(imported, tmp_path / "net")
    net = caffelite.Net(str(prototxt), str(caffemodel), caffelite.TEST)
    net.blobs[net.inputs[0]].data[...] = ANSWERS["narrow_resnet_in"]
    (ours,) = net.forward().values()
    np.testing.assert_allclose(ours, ANSWERS["narrow_resnet_out"], rtol=0, atol=1e-4)


def test_nothing_is_written_where_one_file_cannot_be(tmp_path):
    (tmp_path / "net.caffemodel").mkdir()
    with pytest.raises(WeightsError, match="not a file"):
        write_both(from_onnx(EXPORTED / "conv_new.onnx"), tmp_path / "net")
    assert not (tmp_path / "net.prototxt").exists()
