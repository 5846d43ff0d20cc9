import numpy as np
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


def test_several_look_for_the_last_place_of_one_blob(agrees):
    nodes = [("ArgMax", ["x"], [f"y{keep}"], {"axis": 2, "keepdims": keep, "select_last_index": 1}) for keep in (0, 1)]
    types = agrees(nodes, SHAPE, made_kind=TensorProto.INT64, outputs=("y0", "y1"))  # onnxsim lets them share a Slice
    assert types.count("ArgMax") == 2
    assert "Reverse" not in types


REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceL1", "ReduceSumSquare", "ReduceMax")


@pytest.mark.parametrize("axes", [[0], [1], [2], [3], [1, 2], [2, 3], [1, 3], [0, 2], [1, 2, 3], [0, 1, 2, 3]])
def test_along_axes(axes, agrees):
    nodes = [(name, ["x", "axes"], [f"{name}{keep}"], {"keepdims": keep}) for name in REDUCTIONS for keep in (0, 1)]
    assert agrees(nodes, SHAPE, {"axes": np.array(axes)}, outputs=[node[2][0] for node in nodes])


@pytest.mark.usefixtures("onnxruntime_of_today")
def test_where_nothing_is_added_up_values_still_change(agrees):
    nodes = [(name, ["x", "axes"], [name], {}) for name in REDUCTIONS]
    assert agrees(nodes, (2, 1, 4, 1), {"axes": np.array([1, 3])}, outputs=REDUCTIONS)
    assert agrees(nodes, (2, 3, 4), {"axes": np.zeros(0, np.int64)}, outputs=REDUCTIONS)  # that means all
    nodes = [
        (name, ["x", axes] if axes else ["x"], [name + axes], {"noop_with_empty_axes": 1})
        for name in REDUCTIONS
        for axes in ("", "axes")
    ]
    assert agrees(nodes, (2, 3, 4), {"axes": np.zeros(0, np.int64)}, outputs=[node[2][0] for node in nodes])
