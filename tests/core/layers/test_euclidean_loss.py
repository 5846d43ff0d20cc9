import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("euclidean")


def test_value_and_gradients(dtype):
    layer = layer_from('type: "EuclideanLoss" loss_weight: 3', dtype)
    bottoms = [blob_of([[1, 2], [3, 4]], dtype), blob_of([[[0, 0]], [[1, 6]]], dtype)]
    top = set_up(layer, bottoms)
    layer.forward(bottoms, top)
    assert top[0].shape == () and top[0].data == 3.25
    top[0].diff[...] = 3
    run_backward(layer, bottoms, top)
    np.testing.assert_allclose(bottoms[0].diff, [[1.5, 3], [3, -3]])
    np.testing.assert_allclose(bottoms[1].diff, [[[-1.5, -3]], [[-3, 3]]])


def test_gradient():
    check_gradient('type: "EuclideanLoss"', [RNG.normal(size=(3, 4)), RNG.normal(size=(3, 2, 2))], threshold=1e-6)


def test_no_items_lose_nothing():
    assert run_forward('type: "EuclideanLoss"', np.ones((0, 3)), np.ones((0, 3))).data == 0


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2,), (3,)], r"bottom\[1\] is 3 \(3\); predictions and labels must be equally many"),
        ([(2, 3), (3, 2)], r"bottom\[1\] is 3 2 \(6\); predictions and labels must be equally many"),
        ([(2, 3), (2, 4)], r"bottom\[1\] is 2 4 \(8\); an item needs as many values as in bottom\[0\], 2 3 \(6\)"),
        ([(), ()], r"bottom\[0\] is a scalar"),
    ],
)
def test_refusals(shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "EuclideanLoss"', *map(np.ones, shapes))


@pytest.mark.parametrize("name", ["EuclideanLoss", "HingeLoss"])
def test_before_the_first_forward_the_gradient_is_zero_as_in_caffe(name):
    bottom = [blob_of(np.ones((50, 40))), blob_of(np.ones((50, 40) if name == "EuclideanLoss" else 50))]
    layer = layer_from(f'type: "{name}"')
    top = set_up(layer, bottom)
    layer.backward(top, [True, False], bottom)
    assert not bottom[0].diff.any()
