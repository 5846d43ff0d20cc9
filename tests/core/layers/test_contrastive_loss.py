import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

A = np.array([[1, 0], [0.3, 0.4], [3, 4], [0, 0]])
Y = np.array([1, 0, 0, 0.5])


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("contrastive")


@pytest.mark.parametrize(
    ("fields", "loss", "unlike"),
    [
        ("", 0.28125, [-0.074985003, -0.099980004]),
        ("legacy_version: true", 0.34375, [-0.075, -0.1]),
        ("margin: 2", 0.90625, [-0.224955009, -0.299940012]),
        ("margin: 2 legacy_version: true", 0.59375, [-0.075, -0.1]),
    ],
)
def test_value_and_gradients(fields, loss, unlike, dtype):
    layer = layer_from(f'type: "ContrastiveLoss" contrastive_loss_param {{ {fields} }}', dtype)
    bottom = [blob_of(A, dtype), blob_of(np.zeros((4, 2)), dtype), blob_of(Y, dtype)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    want = np.array([[0.25, 0], unlike, [0, 0], [0, 0]])
    assert float(top[0].data) == pytest.approx(loss)
    bottom[2].diff[...] = 9
    layer.backward(top, [True, True, True], bottom)
    np.testing.assert_allclose(bottom[0].diff, want, rtol=1e-5)
    np.testing.assert_allclose(bottom[1].diff, -want, rtol=1e-5)
    assert (bottom[2].diff == 9).all()


def test_flags_are_heeded_one_by_one():
    layer, bottom = layer_from('type: "ContrastiveLoss"'), [blob_of(A), blob_of(A + 1), blob_of(Y)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    bottom[0].diff[...] = 9
    run_backward(layer, bottom, top, [False, True, False])
    assert (bottom[0].diff == 9).all() and bottom[1].diff.any()


@pytest.mark.parametrize("legacy", ["false", "true"])
def test_gradient(legacy):
    rng = np.random.default_rng(1)
    bottom = [rng.uniform(-1, 1, (8, 2)), rng.uniform(-1, 1, (8, 2, 1, 1)), rng.integers(-1, 3, 8)]
    layer = f'type: "ContrastiveLoss" contrastive_loss_param {{ margin: 1.5 legacy_version: {legacy} }}'
    check_gradient(layer, bottom, step=1e-4, threshold=1e-3)  # 1e-4 in the formula is not differentiated


def test_a_larger_batch_later_works():
    layer = layer_from('type: "ContrastiveLoss"')
    bottom = [blob_of(A[:1]), blob_of(A[:1]), blob_of(Y[:1])]
    top = set_up(layer, bottom)
    bottom = [blob_of(A), blob_of(0 * A), blob_of(Y)]
    layer.reshape(bottom, top)
    layer.forward(bottom, top)
    assert top[0].data == pytest.approx(0.28125)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2,), (2,), (2,)], r"bottom\[0\] is 2 \(2\); it must be \(N, C\)"),
        ([(2, 3, 2), (2, 3, 2), (2,)], r"bottom\[0\] is 2 3 2 \(12\); it must be \(N, C\)"),
        (
            [(2, 3), (2, 4), (2,)],
            r"bottom\[1\] is 2 4 \(8\); bottom\[0\] is 2 3 \(6\), so it needs 2 rows and 6 values",
        ),
        ([(2, 3), (3, 2), (2,)], r"bottom\[1\] is 3 2 \(6\)"),
        ([(2, 3), (2, 3), (2, 2)], r"bottom\[2\] is 2 2 \(4\); .* so it needs 2 rows and 2 values"),
        ([(2, 3), (2, 3), (3,)], r"bottom\[2\] is 3 \(3\)"),
    ],
)
def test_refusals(shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "ContrastiveLoss"', *map(np.ones, shapes))
