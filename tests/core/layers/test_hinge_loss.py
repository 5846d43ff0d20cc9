import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

SCORES, LABELS = np.array([[0.5, -2, 0.25], [1, -1, 3]]), np.array([0.0, 2.0])


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("hinge_l1")


@pytest.mark.parametrize(
    ("norm", "loss", "diff"),
    [("L1", 1.875, [[-0.5, 0, 0.5], [0.5, 0, 0]]), ("L2", 2.90625, [[-0.5, 0, 1.25], [2, 0, 0]])],
)
def test_value_and_gradient_twice_after_one_forward(norm, loss, diff, dtype):
    layer = layer_from(f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}', dtype)
    bottom = [blob_of(SCORES, dtype), blob_of(LABELS, dtype)]
    top = set_up(layer, bottom)
    bottom[0].diff[...] = 9
    layer.forward(bottom, top)
    assert top[0].data == loss and (bottom[0].diff == 9).all()
    for _ in range(2):
        run_backward(layer, bottom, top)
        np.testing.assert_allclose(bottom[0].diff, diff)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_gradient(norm):
    scores = np.random.default_rng(1).normal(0, 10, (3, 2, 2))
    layer = f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}'
    check_gradient(layer, [scores, [1, 3, 0]], step=1e-4, threshold=1e-6, kink=1, kink_range=0.01)


@pytest.mark.parametrize("shape", [(2, 1), (2, 1, 1, 1)])
def test_labels_may_have_axes_of_length_1(shape):
    assert run_forward('type: "HingeLoss"', SCORES, LABELS.reshape(shape)).data == 1.875


def test_no_items_lose_nothing():
    assert run_forward('type: "HingeLoss"', np.ones((0, 3)), np.ones(0)).data == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 3.0], r"label 1 of bottom\[1\] is 3; there are 3 classes"),
        ([0.0], r"bottom\[1\] is 1 \(1\); predictions and labels must be equally many"),
        (np.ones((2, 0)), r"bottom\[1\] is 2 0 \(0\); 2 items need one label each"),
        (
            [[0.0, 2.0], [1.0, 1.0]],
            r"bottom\[1\] is 2 2 \(4\); 2 items need one label each; of several take one with a Slice",
        ),
    ],
)
def test_refusals(labels, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "HingeLoss"', SCORES, labels)


def test_refuses_a_gradient_of_the_labels():
    layer, bottom = layer_from('type: "HingeLoss"'), [blob_of(SCORES), blob_of(LABELS)]
    top = set_up(layer, bottom)
    with pytest.raises(LayerError, match="HingeLoss cannot backpropagate to labels"):
        layer.backward(top, [True, True], bottom)
