import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
DATA = np.arange(1, 7, dtype=float).reshape(3, 2)


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("batch_reindex")


def test_items_and_gradients(dtype):
    layer, bottom = layer_from('type: "BatchReindex"', dtype), [blob_of(DATA, dtype), blob_of([2, 0, 2.7, 0], dtype)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    np.testing.assert_array_equal(top[0].data, [[5, 6], [1, 2], [5, 6], [1, 2]])
    top[0].diff[...] = 0.5
    bottom[0].diff[...] = 9
    run_backward(layer, bottom, top)
    np.testing.assert_array_equal(bottom[0].diff, [[1, 1], [0, 0], [1, 1]])


@pytest.mark.parametrize("shape", [(200, 700), (5000, 30)])
def test_large_blobs(shape, dtype):
    data, index = RNG.normal(size=shape), RNG.integers(0, shape[0], shape[0])
    layer, bottom = layer_from('type: "BatchReindex"', dtype), [blob_of(data, dtype), blob_of(index, dtype)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    np.testing.assert_array_equal(top[0].data, data[index].astype(dtype))
    top[0].diff[...] = top[0].data
    run_backward(layer, bottom, top)
    want = np.zeros(shape)
    np.add.at(want, index, data[index])
    np.testing.assert_allclose(bottom[0].diff, want, rtol=1e-4, atol=1e-5)


def test_no_indices_make_an_empty_top():
    layer, bottom = layer_from('type: "BatchReindex"'), [blob_of(DATA), blob_of(np.ones(0))]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    assert top[0].shape == (0, 2)
    bottom[0].diff[...] = 9
    run_backward(layer, bottom, top)
    assert not bottom[0].diff.any()


def test_gradient():
    bottom = [RNG.normal(size=(5, 2, 2)), [4, 0, 4, 0, 1, 2]]
    check_gradient('type: "BatchReindex"', bottom, step=1e-4, threshold=1e-6)


@pytest.mark.parametrize(
    ("data", "index", "message"),
    [
        (DATA, [0, -0.5], r"number 1 of bottom\[1\] is -0\.5; bottom\[0\] has items 0 to 2"),
        (DATA, [3], r"number 0 of bottom\[1\] is 3"),
        (DATA, [np.nan], r"number 0 of bottom\[1\] is nan"),
        (DATA, np.ones((4, 1)), r"bottom\[1\] is 4 1 \(4\); the numbers of the items need exactly 1 axis"),
        (np.ones(()), [0], r"bottom\[0\] is a scalar"),
    ],
)
def test_refusals(data, index, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "BatchReindex"', data, index)


def test_refuses_a_gradient_of_the_indices():
    layer, bottom = layer_from('type: "BatchReindex"'), [blob_of(DATA), blob_of([0])]
    top = set_up(layer, bottom)
    assert not layer.allow_force_backward(1)
    with pytest.raises(LayerError, match="the numbers of items get no gradient"):
        layer.backward(top, [True, True], bottom)
