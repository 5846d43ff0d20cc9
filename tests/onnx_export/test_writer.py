import numpy as np

from caffelite.onnx_export.graph import Graph
from caffelite.onnx_export.writer import Writer
from caffelite.testing import layer_from


def writer():
    return Writer(Graph(), layer_from('name: "l" type: "ReLU"', np.float32), ["x"], [(2, 3)], [(2, 3)], {})


def test_equal_constants_of_a_layer_have_one_name():
    one = writer()
    assert one.constant(2) == one.constant(2.0) != one.constant([2])
    assert one.ints(1, 2) == one.ints(1, 2) != one.ints(1)
    assert one.constant(-0.0) != one.constant(0.0)
    assert {array.dtype.name for array in one.graph.constants.values()} == {"float32", "int64"}


def test_operators_with_several_outputs():
    one = writer()
    assert one.ops_of("Split", ["x"], 2, axis=0) == ["l/Split_0:0", "l/Split_0:1"]
    assert one.op("Relu", "x") == "l/Relu_1"
    assert [op.attributes for op in one.ops] == [{"axis": 0}, {}]
