import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
X, T = np.array([[0, 2], [-1, 100]], float), np.array([[0.7, 1], [-1, 0]])


def loss_and_diff(fields, dtype, x=X, t=T):
    layer = layer_from(f'type: "SigmoidCrossEntropyLoss" loss_param {{ {fields} }}', dtype)
    bottom = [blob_of(x, dtype), blob_of(t, dtype)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    run_backward(layer, bottom, top)
    return float(top[0].data), bottom[0].diff.ravel()


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("sigmoid_ce")


@pytest.mark.parametrize(
    ("fields", "loss", "diff"),
    [
        ("", 50.0666684, [-0.1, -0.059601461, 0.634470711, 0.5]),
        ("ignore_label: -1", 50.4100376, [-0.1, -0.059601461, 0, 0.5]),
        ("ignore_label: -1 normalization: VALID", 33.6066917, None),
        ("ignore_label: -1 normalization: FULL", 25.2050188, None),
        ("ignore_label: 0", -0.279905151, [0, -0.059601461, 0.634470711, 0]),
        ("normalization: NONE", 100.133337, None),
        ("normalize: true ignore_label: -1", 33.6066917, None),
    ],
)
def test_value_and_gradient(fields, loss, diff, dtype):
    value, gradient = loss_and_diff(fields, dtype)
    assert value == pytest.approx(loss, rel=1e-6)
    if diff is not None:
        np.testing.assert_allclose(gradient, diff, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ignore", [-2, -1, 0, 1, 2])
def test_a_target_is_ignored_by_what_is_left_without_its_fraction(ignore, dtype):
    targets = np.array([-2.5, -2, -1.9999, -1, -0.9999, -0.0, 0, 0.9999, 1, 1.9999, 2, 3, np.nan])
    x = np.zeros(targets.shape)
    for number, target in enumerate(targets):
        loss, diff = loss_and_diff(f"ignore_label: {ignore}", dtype, x[number : number + 1], [target])
        ignored = not np.isnan(target) and np.trunc(target) == ignore
        assert (loss == 0 and diff == 0) == ignored


def test_many_elements_and_another_shape_of_targets(dtype):
    x, t = RNG.normal(size=(20, 30, 300)), RNG.uniform(size=(20, 30, 300))
    expected = np.maximum(x, 0) - x * t + np.log1p(np.exp(-abs(x)))
    value, diff = loss_and_diff("", dtype, x, t.reshape(20, 300, 30, 1))
    assert value == pytest.approx(expected.sum() / 20, rel=1e-5)
    np.testing.assert_allclose(diff, ((1 / (1 + np.exp(-x)) - t) / 20).ravel(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("fields", ["", "ignore_label: -1", "normalization: FULL"])
def test_gradient(fields):
    t = RNG.uniform(size=(2, 3))
    t[0, 1] = -1
    layer = f'type: "SigmoidCrossEntropyLoss" loss_weight: 3.7 loss_param {{ {fields} }}'
    check_gradient(layer, [RNG.normal(size=(2, 3)), t], step=1e-4, threshold=1e-6)


def test_no_items_lose_nothing():
    assert run_forward('type: "SigmoidCrossEntropyLoss"', np.ones((0, 3)), np.ones((0, 3))).data == 0


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 3), (2, 2)], r"bottom\[1\] is 2 2 \(4\); there must be a target for each of the scores, 2 3 \(6\)"),
        ([(2, 3), (3, 2)], r"bottom\[1\] is 3 2 \(6\); predictions and labels must be equally many"),
    ],
)
def test_refusals(shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "SigmoidCrossEntropyLoss"', *map(np.ones, shapes))


def test_refuses_a_gradient_of_the_targets():
    layer, bottom = layer_from('type: "SigmoidCrossEntropyLoss"'), [blob_of(X), blob_of(T)]
    top = set_up(layer, bottom)
    with pytest.raises(LayerError, match="SigmoidCrossEntropyLoss cannot backpropagate to labels"):
        layer.backward(top, [True, True], bottom)


@pytest.mark.parametrize(
    ("fields", "targets", "said"),
    [
        ("", [[0, 1], [0.5, 255]], "target 3 of bottom[1] is 255"),
        ("", [[-1, 1], [0, 0]], "target 0 of bottom[1] is -1"),
        ("ignore_label: -1", [[-1, 1], [2, 0]], "target 2 of bottom[1] is 2"),
        ("", [[0, np.nan], [2, 0]], "target 1 of bottom[1] is nan"),
        ("ignore_label: -1", [[-1, 1], [0, 0.5]], ""),
        ("", [[0, 1], [0.5, 1]], ""),
    ],
)
def test_targets_that_are_no_probabilities_are_named_once(fields, targets, said, dtype, caplog):
    caplog.set_level("WARNING", "caffelite")
    layer = layer_from(f'type: "SigmoidCrossEntropyLoss" loss_param {{ {fields} }}', dtype, name="loss")
    bottom = [blob_of(X, dtype), blob_of(targets, dtype)]
    top = set_up(layer, bottom)
    for _ in range(3):
        layer.forward(bottom, top)
    assert [said in message and 'layer "loss"' in message for message in caplog.messages] == [True] * bool(said)
