import numpy as np
import pytest

from caffelite.core import container
from caffelite.core.errors import UsageError


def test_each_record_once(evaluated, of_class):
    found = evaluated()
    assert (found.count, found.repeated, found.batch) == (7, 1, 4)
    assert found.numbers.tolist() == list(range(7))
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert found.predicted.tolist() == [0, 0, 1, 1, 1, 2, 1]
    assert found.accuracy == pytest.approx(5 / 7)
    assert found.top(2) == pytest.approx(5 / 7)  # of ties none is the better
    assert found.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 1]]
    np.testing.assert_allclose(
        found.of_label[[0, 2, 4]], [of_class(s, c) for s, c in (((3, 0, 0), 0), ((0, 4, 0), 0), ((1, 2, 0), 1))]
    )
    np.testing.assert_allclose(found.of_predicted[2], of_class((0, 4, 0), 1))


def test_the_worst_mistake_comes_first(evaluated):
    assert evaluated().worst_mistakes(9).tolist() == [2, 6]
    assert evaluated().worst_mistakes(1).tolist() == [2]


def test_the_wrong_label_is_found(evaluated, of_class):
    found = evaluated()
    assert found.wrong_labels.items.tolist() == [2]
    assert found.wrong_labels.suggested.tolist() == [1]
    assert found.probability(2, 1) == pytest.approx(of_class((0, 4, 0), 1))


def test_ignored_labels_are_left_out(evaluated, net_text):
    text = net_text.replace('top: "accuracy" }', 'top: "accuracy" accuracy_param { ignore_label: 2 } }')
    assert evaluated(text=text).labels.tolist() == [0, 0, 0, 1, 1]


def test_probabilities_are_not_taken_for_scores(evaluated, net_text, of_class):
    softmax = 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }\nlayer { name: "accuracy"'
    text = net_text.replace('layer { name: "accuracy"', softmax).replace(
        '"Accuracy" bottom: "ip"', '"Accuracy" bottom: "prob"'
    )
    np.testing.assert_allclose(evaluated(text=text).of_label[0], of_class((3, 0, 0), 0), rtol=1e-6)


def test_labels_at_each_position(folder, tmp_path):
    from caffelite.proto.caffe_pb2 import TEST
    from caffelite.pycaffe import Net
    from caffelite.reports.evaluation import Evaluation

    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 3 dim: 1 dim: 2 } '
        "shape { dim: 2 dim: 1 dim: 2 } } }\n"
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" top: "l" '
        "loss_param { ignore_label: 255 } }"
    )
    net = Net("net.prototxt", TEST)
    net.blobs["x"].data[...] = np.array([[[1, 0], [0, 5], [0, 0]], [[0, 0], [1, 0], [2, 9]]]).reshape(2, 3, 1, 2)
    net.blobs["y"].data[...] = np.array([[0, 1], [1, 255]]).reshape(2, 1, 2)
    evaluation = Evaluation(net)
    net.forward_pass()
    evaluation.add()
    assert not evaluation.has_items
    assert evaluation.predicted.tolist() == [0, 1, 2]
    assert evaluation.numbers.tolist() == [0, 0, 1]
    assert evaluation.confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_nan_is_refused(evaluated, net_text):
    with pytest.raises(UsageError, match="nan or infinite in batch 0"):
        evaluated(text=net_text.replace("scale: 0.1", "scale: 1e38"))


def test_too_many_batches_are_refused_before_they_run(evaluated, monkeypatch):
    monkeypatch.setattr(container, "available", lambda: 10_000_000)
    found = evaluated(0)
    found.require_memory(1000)
    with pytest.raises(UsageError, match="use fewer --iterations"):
        found.require_memory(1_000_000)
