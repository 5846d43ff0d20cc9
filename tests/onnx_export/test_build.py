import pytest

from caffelite.core.errors import LayerError
from caffelite.onnx_export.build import graph_of_net
from caffelite.onnx_export.form import load_forms

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 4 } } }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "x" top: "y"
 convolution_param { num_output: 2 kernel_size: 3 } }
"""


@pytest.fixture(autouse=True, scope="module")
def forms():
    load_forms()


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


def test_layers_of_one_name_have_weights_of_their_own(run_of, agrees):
    again = CONV.replace('"y"', '"z"').replace("3 }", '3 weight_filler { type: "gaussian" } }')
    run = run_of(INPUT + CONV.replace("3 }", '3 weight_filler { type: "xavier" } }') + again)
    assert list(graph_of_net(run.net).weights) == ["conv.0", "conv.1", "conv.0_", "conv.1_"]
    for folded in (False, True):
        assert agrees(run, run.export(folded))


NAMES = ["conv.0", "conv.1", "m", "m/ReduceMean_0", "m/constant_0", "r_out", "conv/folded_1", "s.0", "conv_", "y"]


@pytest.mark.parametrize("blob", NAMES)
@pytest.mark.parametrize("folded", [False, True])
def test_a_blob_may_be_called_as_anything_else_is(blob, folded, run_of, agrees):
    """Weights, constants and what is within a layer have other names then; the blob keeps its own."""
    text = (
        INPUT
        + f"""
        layer {{ name: "{blob}" type: "AbsVal" bottom: "x" top: "{blob}" }}
        layer {{ name: "conv" type: "Convolution" bottom: "{blob}" top: "conv" convolution_param {{ num_output: 2
                 kernel_size: 3 bias_term: false weight_filler {{ type: "gaussian" }} }} }}
        layer {{ name: "s" type: "Scale" bottom: "conv" top: "s" scale_param {{ filler {{ type: "gaussian" }} }} }}
        layer {{ name: "m" type: "MVN" bottom: "s" top: "n" }}
        layer {{ name: "m" type: "MVN" bottom: "x" top: "o" }}
        layer {{ name: "i" type: "Input" top: "r" input_param {{ shape {{ dim: 2 }} }} }}
    """
    )
    run = run_of(text)
    model = run.export(folded)
    made = [output for node in model.graph.node for output in node.output]
    names = [*made, *(value.name for value in (*model.graph.input, *model.graph.initializer))]
    assert len(names) == len(set(names)) and blob in made
    assert agrees(run, model)
