import pytest

from caffelite.core.errors import UnknownNameError, UsageError
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.reports.scored import find_scored

NET = """name: "n"
layer { name: "x" type: "Input" top: "x" top: "y"
  input_param { shape { dim: 2 dim: 5 dim: 3 } shape { dim: 2 dim: 3 } } }
layer { name: "aux_loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" top: "l1" softmax_param { axis: 1 }
  loss_param { ignore_label: 4 } }
layer { name: "relu" type: "ReLU" bottom: "x" top: "z" }
layer { name: "accuracy" type: "Accuracy" bottom: "z" bottom: "y" top: "a" accuracy_param { axis: -2 } }
layer { name: "prob" type: "Softmax" bottom: "x" top: "p" }
layer { name: "top" type: "Accuracy" bottom: "p" bottom: "y" top: "b" accuracy_param { ignore_label: -1 top_k: 2 } }
"""


@pytest.fixture
def net(tmp_path):
    def make(text=NET):
        (tmp_path / "net.prototxt").write_text(text)
        return Net(tmp_path / "net.prototxt", TEST)

    return make


def test_the_last_accuracy(net):
    found = find_scored(net())
    assert found.layer.name == "top"
    assert (found.outer, found.classes, found.inner, found.ignore_label) == (2, 5, 3, -1)
    assert (found.are_probabilities, found.has_softmax) == (True, False)
    assert found.scores.pinned and found.labels.pinned


def test_a_layer_by_name_and_an_axis_from_the_end(net):
    found = find_scored(net(), "accuracy")
    assert (found.outer, found.classes, found.inner, found.ignore_label) == (2, 5, 3, None)
    assert (found.are_probabilities, found.has_softmax) == (False, False)
    found = find_scored(net(), "aux_loss")
    assert (found.ignore_label, found.are_probabilities, found.has_softmax) == (4, False, True)


def test_scores_are_those_of_the_loss_behind_a_split(net):
    text = NET.replace('"Accuracy" bottom: "z"', '"Accuracy" bottom: "x"')
    assert find_scored(net(text), "accuracy").has_softmax


def test_the_loss_where_there_is_no_accuracy(net):
    text = "\n".join(line for line in NET.splitlines() if "Accuracy" not in line)
    assert find_scored(net(text)).layer.name == "aux_loss"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("acuracy", UnknownNameError, 'no layer "acuracy" in phase TEST; did you mean "accuracy"'),
        ("relu", UsageError, 'layer "relu" is a ReLU, not an Accuracy or SoftmaxWithLoss; use aux_loss, accuracy, top'),
    ],
)
def test_a_layer_that_it_cannot_be(net, name, error, words):
    with pytest.raises(error, match=words):
        find_scored(net(), name)


def test_a_net_without_any(net):
    text = "\n".join(NET.splitlines()[1:3])
    with pytest.raises(UsageError, match="no Accuracy and no SoftmaxWithLoss layer in phase TEST"):
        find_scored(net(text))
