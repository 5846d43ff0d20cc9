import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

PROB = np.array([[0.5, 0.25, 0.25], [0.1, 0, 0.9]])
LABELS = np.array([0.0, 1.0])


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("multinomial")


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 1, 1), (2, 1, 1, 1)])
def test_value_and_gradient_with_a_probability_of_0(shape, dtype):
    layer = layer_from('type: "MultinomialLogisticLoss" loss_weight: 3', dtype)
    bottom = [blob_of(PROB, dtype), blob_of(LABELS.reshape(shape), dtype)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    assert top[0].shape == () and float(top[0].data) == pytest.approx(23.3724245)
    run_backward(layer, bottom, top)
    np.testing.assert_allclose(bottom[0].diff, [[-3, 0, 0], [0, -1.5e20, 0]], rtol=1e-6)


def test_gradient():
    values = np.random.default_rng(1).uniform(0.2, 1, (3, 2, 2, 1))
    layer = 'type: "MultinomialLogisticLoss"'
    check_gradient(layer, [values, [1.0, 3.0, 0.0]], step=1e-4, threshold=1e-6)


def test_no_items_lose_nothing():
    assert run_forward('type: "MultinomialLogisticLoss"', np.ones((0, 3)), np.ones(0)).data == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 2)), r"bottom\[1\] is 2 2 \(4\); each item needs exactly one label"),
        (np.zeros(3), r"bottom\[1\] is 3 \(3\); predictions and labels must be equally many"),
        ([0, 3], r"label 1 of bottom\[1\] is 3; there are 3 classes"),
        ([-1, 0], r"label 0 of bottom\[1\] is -1"),
    ],
)
def test_refusals(labels, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "MultinomialLogisticLoss"', PROB, labels)


def test_refuses_a_gradient_of_the_labels():
    layer, bottom = layer_from('type: "MultinomialLogisticLoss"'), [blob_of(PROB), blob_of(LABELS)]
    top = set_up(layer, bottom)
    with pytest.raises(LayerError, match="MultinomialLogisticLoss cannot backpropagate to labels"):
        layer.backward(top, [True, True], bottom)
