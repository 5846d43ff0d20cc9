import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_forward, set_up

VALUES = np.array([3, 1, 3, 2, 0, 0, 5, 5], float)


def arg_max(fields, values, dtype=np.float64):
    return run_forward(f'type: "ArgMax" argmax_param {{ {fields} }}', blob_of(values, dtype)).data


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("argmax")


@pytest.mark.parametrize(
    ("shape", "fields", "top_shape", "content"),
    [
        ((2, 4), "", (2, 1, 1), [2, 3]),
        ((2, 4), "top_k: 2", (2, 1, 2), [2, 0, 3, 2]),
        ((2, 4), "top_k: 3 out_max_val: true", (2, 2, 3), [2, 0, 3, 3, 3, 2, 3, 2, 1, 5, 5, 0]),
        ((2, 4), "axis: 1 top_k: 2", (2, 2), [2, 0, 3, 2]),
        ((2, 4), "axis: 1 top_k: 2 out_max_val: true", (2, 2), [3, 3, 5, 5]),
        ((2, 4), "axis: 0", (1, 4), [0, 0, 1, 1]),
        ((8,), "", (8, 1, 1), [0] * 8),
        ((1, 2, 2, 2, 1), "out_max_val: true", (1, 2, 1, 1, 1), [7, 5]),
    ],
)
def test_shapes_and_order(shape, fields, top_shape, content, dtype):
    top = arg_max(fields, VALUES.reshape(shape), dtype)
    assert top.shape == top_shape
    np.testing.assert_array_equal(top.ravel(), content)


@pytest.mark.parametrize(("axis", "top_k"), [(0, 3), (1, 5), (2, 1), (-1, 50)])
def test_large_blobs_by_sorting(axis, top_k, dtype):
    values = np.random.default_rng(1).integers(0, 30, (40, 30, 50)).astype(float)
    order = np.flip(np.argsort(values, axis=axis, kind="stable"), axis)
    first = np.take(order, range(top_k), axis)
    np.testing.assert_array_equal(arg_max(f"axis: {axis} top_k: {top_k}", values, dtype), first)
    largest = np.take_along_axis(values, first, axis)
    np.testing.assert_array_equal(arg_max(f"axis: {axis} top_k: {top_k} out_max_val: true", values, dtype), largest)


def test_no_items():
    assert arg_max("", np.ones((0, 3))).shape == (0, 1, 1)


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((2, 4), "top_k: 5", r"argmax_param\.top_k is 5; use 1 to 4"),
        ((2, 4), "top_k: 0", r"argmax_param\.top_k is 0; use 1 to 4"),
        ((2, 4), "axis: 2", r"argmax_param\.axis is 2; a blob of shape 2 4 \(8\) has axes -2 to 1"),
        ((2, 4), "axis: 0 top_k: 3", r"argmax_param\.top_k is 3; use 1 to 2"),
        ((), "", r"bottom\[0\] is a scalar"),
    ],
)
def test_refusals(shape, fields, message):
    with pytest.raises(LayerError, match=message):
        arg_max(fields, np.ones(shape))


def test_refuses_a_later_bottom_with_too_few_values():
    layer, bottom = layer_from('type: "ArgMax" argmax_param { axis: 1 top_k: 3 }'), blob_of(np.ones((2, 4)))
    top = set_up(layer, [bottom])
    with pytest.raises(LayerError, match=r"top_k is 3; use 1 to 2"):
        layer.reshape([blob_of(np.ones((2, 2)))], top)


def test_refuses_a_gradient():
    layer, bottom = layer_from('type: "ArgMax"'), blob_of(np.ones((2, 4)))
    top = set_up(layer, [bottom])
    with pytest.raises(LayerError, match="ArgMax has no gradient"):
        layer.backward(top, [True], [bottom])
