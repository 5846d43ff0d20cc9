import numpy as np
import pytest

from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

SHAPE = (2, 3, 5, 4)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    "pads", [[0, 0, 1, 2, 0, 0, 0, 3], [0] * 8, [1, 2, 0, 0, 0, 1, 0, 1], [0, -1, -1, 2, 0, 0, 1, -1]]
)
def test_pads(pads, mode, agrees):
    assert agrees([("Pad", ["x", "pads"], ["y"], {"mode": mode})], SHAPE, {"pads": np.array(pads)})


@pytest.mark.parametrize("value", [1.5, 0.0])
def test_other_values_and_fewer_axes(value, agrees):
    constants = {"pads": np.array([1, 2]), "value": np.float32(value), "axes": np.array([-1])}
    assert agrees([("Pad", ["x", *constants], ["y"], {})], SHAPE, constants)


def test_refuses_to_reflect_more_than_there_is(model_file):
    path = model_file([("Pad", ["x", "pads"], ["y"], {"mode": "reflect"})], (2, 3), {"pads": np.array([0, 3, 0, 0])})
    with pytest.raises(OnnxError, match="it reflects 3 pixels of 3; use fewer than there are"):
        from_onnx(path)
