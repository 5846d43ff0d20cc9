import pytest
from onnx import TensorProto

SHAPE = (2, 3, 6, 5)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_of_equal_values_the_one_that_onnx_takes(last, axis, keepdims, agrees):
    attributes = {"axis": axis, "keepdims": keepdims, "select_last_index": last}
    types = agrees([("ArgMax", ["x"], ["y"], attributes)], SHAPE, made_kind=TensorProto.INT64)
    assert ("Reverse" in types) == (not last)  # onnxsim makes three nodes of it, which are one again
