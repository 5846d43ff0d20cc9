import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layer import layer_type_list, make_layer, setup_layer
from caffelite.core.prototxt.fork_types import PYTHON_LAYERS, TYPES, known_elsewhere
from caffelite.core.prototxt.parse import unknown_type
from caffelite.proto.caffe_pb2 import LayerParameter


def test_no_type_that_is_here_is_listed_as_missing():
    assert {*TYPES, *PYTHON_LAYERS}.isdisjoint(layer_type_list())


@pytest.mark.parametrize("name", sorted({**TYPES, **PYTHON_LAYERS}))
def test_what_forks_have_is_not_taken_for_a_misspelling(name):
    text = unknown_type(name, layer_type_list())
    assert "did you mean" not in text and "which is not here" in text


def test_says_what_it_is_and_whose():
    assert known_elsewhere("SpatialTransformer").startswith("a layer of a fork, which")
    assert unknown_type("AnchorTargetLayer", ["ReLU"]) == (
        'unknown layer type "AnchorTargetLayer"; it is a layer of Faster R-CNN\'s Caffe, which is not here: labels and '
        "targets of anchors; only training needs it: leave it out of a net for use"
    )
    assert known_elsewhere("Poolling") == ""


def test_a_layer_made_alone_says_so_too():
    with pytest.raises(LayerError, match=r'type is "SegAccuracy"; it is a layer of DeepLab\'s Caffe'):
        make_layer(LayerParameter(type="SegAccuracy"))


def test_a_type_that_is_like_none_is_not_taken_for_a_misspelling():
    assert unknown_type("Frobnicate", layer_type_list()) == 'unknown layer type "Frobnicate"'
    assert unknown_type("Poolng", layer_type_list()).endswith('did you mean "Pooling"?')
    assert unknown_type("SOFTMAX_LOSS", layer_type_list()).endswith('did you mean "SoftmaxWithLoss"?')


def test_a_python_layer_that_is_not_here_is_said_to_be_a_layer_of_faster_rcnn():
    param = LayerParameter(type="Python", name="x")
    param.python_param.module, param.python_param.layer = "rpn.no_such_module", "AnchorTargetLayer"
    with pytest.raises(LayerError, match=r"; AnchorTargetLayer is a layer of Faster R-CNN's Caffe"):
        setup_layer(make_layer(param), [], [])


@pytest.mark.parametrize(("name", "known"), [("HSwish", "Swish"), ("HardSigmoid", "Sigmoid"), ("PoolingV4", "Pooling")])
def test_a_known_name_with_a_word_more_is_another_layer(name, known):
    text = unknown_type(name, layer_type_list())
    assert "did you mean" not in text and f'"{known}" is here, but {name} is likely another layer' in text


@pytest.mark.parametrize("name", ["PoolingLayer", "LayerPooling", "Pooling2D", "PPooling", "Poolings"])
def test_what_makes_no_other_layer_is_a_misspelling(name):
    assert unknown_type(name, layer_type_list()).endswith('did you mean "Pooling"?')
