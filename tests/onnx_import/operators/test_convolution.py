import numpy as np
import pytest

from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

W = np.random.default_rng(1).standard_normal((3, 2, 3, 2)).astype(np.float32)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_transposed_with_pads_of_its_own(auto_pad, stride, agrees):
    how = {"auto_pad": auto_pad, "strides": [stride, stride]}
    assert agrees([("ConvTranspose", ["x", "w"], ["y"], how)], (1, 3, 6, 5), {"w": W})


@pytest.mark.parametrize("shape", [[12, 10], [13, 9], [11, 10]])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER"])
def test_transposed_to_a_shape(auto_pad, shape, agrees):
    how = {"auto_pad": auto_pad, "output_shape": shape, "strides": [2, 2]}
    assert agrees([("ConvTranspose", ["x", "w"], ["y"], how)], (1, 3, 6, 5), {"w": W})


def test_transposed_with_more_at_the_end(agrees):
    how = {"output_padding": [1, 2], "pads": [1, 0, 0, 1], "strides": [2, 3]}
    assert agrees([("ConvTranspose", ["x", "w"], ["y"], how)], (1, 3, 6, 5), {"w": W})


def test_same_where_windows_leave_pixels_out(agrees, model_file):
    weights = {"w": np.ones((1, 1, 1, 1), np.float32)}
    assert agrees([("Conv", ["x", "w"], ["y"], {"auto_pad": "SAME_UPPER", "strides": [2, 3]})], (1, 1, 8, 8), weights)
    nodes = [("Conv", ["x", "w"], ["y"], {"auto_pad": "SAME_UPPER", "strides": [4, 4]})]
    with pytest.raises(OnnxError, match=r"auto_pad is SAME_UPPER, and strides of \[4, 4\] .* write pads"):
        from_onnx(model_file(nodes, (1, 1, 8, 8), weights))
