import pytest

from caffelite.core.errors import LayerError
from caffelite.onnx_export.build import graph_of_net

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 4 } } }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "x" top: "y"
 convolution_param { num_output: 2 kernel_size: 3 } }
"""


def names_of(graph):
    return [(op.type, op.inputs[0], op.outputs[0]) for op in graph.ops]


def test_the_last_value_of_a_blob_has_its_name(run_of):
    text = INPUT + CONV + 'layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }\n'
    graph = graph_of_net(run_of(text + 'layer { name: "abs" type: "AbsVal" bottom: "y" top: "y" }').net)
    assert names_of(graph) == [
        ("Conv", "x", "y_before_relu"),
        ("Relu", "y_before_relu", "y_before_abs"),
        ("Abs", "y_before_abs", "y"),
    ]
    assert graph.outputs == ["y"]
    assert list(graph.weights) == ["conv.0", "conv.1"]
    assert graph.shapes["y_before_relu"] == (1, 2, 3, 2)


def test_an_input_keeps_its_name(run_of):
    text = INPUT + 'layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }\n' + CONV
    graph = graph_of_net(run_of(text).net)
    assert names_of(graph) == [("Relu", "x", "x_after_relu"), ("Conv", "x_after_relu", "y")]
    assert graph.inputs == ["x"]


def test_a_name_that_a_blob_has_is_left_to_it(run_of):
    split = 'layer { name: "s" type: "AbsVal" bottom: "x" top: "y_before_relu" }\n'
    text = INPUT + split + CONV + 'layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }\n'
    graph = graph_of_net(run_of(text).net)
    assert ("Conv", "x", "y_before_relu_") in names_of(graph)
    assert set(graph.outputs) == {"y", "y_before_relu"}


def test_names_of_operators_are_unique_though_those_of_layers_are_not(run_of):
    text = INPUT + 'layer { name: "a" type: "ReLU" bottom: "x" top: "y" }\n'
    graph = graph_of_net(run_of(text + 'layer { name: "a" type: "ReLU" bottom: "y" top: "z" }').net)
    assert [op.name for op in graph.ops] == ["a", "a_"]


def test_an_error_names_the_layer(run_of):
    text = INPUT + 'layer { name: "p" type: "Pooling" bottom: "x" top: "y"\n pooling_param { pool: AVE kernel_size: 1\n'
    text += " stride: 3 } }"
    with pytest.raises(LayerError, match=r'layer "p" \(Pooling\): pooling_param.pool is AVE; ONNX'):
        graph_of_net(run_of(text.replace("dim: 5", "dim: 6")).net)
