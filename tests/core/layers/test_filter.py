import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

DATA = np.arange(1, 9, dtype=float).reshape(4, 2)
SELECTOR = np.array([0, -1, np.nan, 0])


def ready(selector=SELECTOR, dtype=np.float64):
    layer, bottom = layer_from('type: "Filter"', dtype), [blob_of(DATA, dtype), blob_of(selector, dtype)]
    return layer, bottom, set_up(layer, bottom)


def passed(layer, bottom, top):
    layer.reshape(bottom, top)
    layer.forward(bottom, top)


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("filter")


def test_set_up_keeps_all_and_a_pass_the_selected(dtype):
    layer, bottom, top = ready(dtype=dtype)
    assert top[0].shape == (4, 2)
    passed(layer, bottom, top)
    np.testing.assert_array_equal(top[0].data, [[3, 4], [5, 6]])
    top[0].diff[...] = 2 * top[0].data
    bottom[0].diff[...] = 9
    run_backward(layer, bottom, top)
    np.testing.assert_array_equal(bottom[0].diff.ravel(), [0, 0, 6, 8, 10, 12, 0, 0])


def test_nothing_selected_then_all():
    layer, bottom, top = ready(np.zeros((4, 1, 1)))
    passed(layer, bottom, top)
    assert top[0].shape == (0, 2) and top[0].data.size == 0
    bottom[0].diff[...] = 9
    run_backward(layer, bottom, top)
    assert not bottom[0].diff.any()
    bottom[1].data[...] = 1
    passed(layer, bottom, top)
    np.testing.assert_array_equal(top[0].data, DATA)


def test_several_data_bottoms_and_flags():
    layer = layer_from('type: "Filter"')
    labels = np.arange(4.0).reshape(4, 1, 1)
    bottom = [blob_of(DATA), blob_of(labels), blob_of([0, 1, 1, 0])]
    top = set_up(layer, bottom, 2)
    passed(layer, bottom, top)
    np.testing.assert_array_equal(top[1].data.ravel(), [1, 2])
    for blob in (*top, *bottom):
        blob.diff[...] = 7
    run_backward(layer, bottom, top, [False, True, False])
    assert (bottom[0].diff == 7).all()
    np.testing.assert_array_equal(bottom[1].diff.ravel(), [0, 7, 7, 0])


def test_gradient():
    bottom = [np.random.default_rng(1).normal(size=(4, 2, 2)), np.ones((4, 1)), [0, 1, 1, 0]]
    check_gradient('type: "Filter"', bottom, top_count=2, objective="simple", step=1e-4, threshold=1e-6)


@pytest.mark.parametrize(
    ("shapes", "tops", "message"),
    [
        ([(4, 2), (4,)], 2, r"top is given 2 times; 2 bottoms, the last a selector, need 1"),
        ([(4, 2), (4, 2)], 1, r"bottom\[1\] is 4 2 \(8\); the selector holds one value an item"),
        ([(4, 2), ()], 1, r"bottom\[1\] is a scalar; the selector holds one value an item"),
        (
            [(4, 2), (3, 2), (4,)],
            2,
            r"bottom\[1\] is 3 2 \(6\); its first axis must be as long as the selector, 4 \(4\)",
        ),
    ],
)
def test_refusals(shapes, tops, message):
    with pytest.raises(LayerError, match=message):
        run_forward('type: "Filter"', *map(np.ones, shapes), top_count=tops)


def test_refuses_a_gradient_of_the_selector_and_spares_it_where_all_are_forced():
    layer, bottom, top = ready()
    assert [layer.allow_force_backward(index) for index in range(2)] == [True, False]
    with pytest.raises(LayerError, match=r"propagate_down\[1\] is true; the selector gets no gradient"):
        layer.backward(top, [True, True], bottom)
