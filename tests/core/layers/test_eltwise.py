import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layer import setup_layer
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, spread_values

A, B, C = [2, 0, 0, 5], [3, 4, 0, 5], [5, 6, 7, 5]
RNG = np.random.default_rng(1)


def eltwise(fields):
    return f'type: "Eltwise" eltwise_param {{ {fields} }}'


@pytest.mark.parametrize("name", ["eltwise_sum", "eltwise_prod", "eltwise_max"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize(
    ("fields", "want", "diffs"),
    [
        ("operation: PROD", [30, 0, 0, 125], [[15, 24, 0, 25], [10, 0, 0, 25], [6, 0, 0, 25]]),
        (
            "operation: PROD stable_prod_grad: false",
            [30, 0, 0, 125],
            [[15, np.nan, np.nan, 25], [10, 0, np.nan, 25], [6, 0, 0, 25]],
        ),
        ("operation: MAX coeff: 3 coeff: 1 coeff: 1", [5, 6, 7, 5], [[0] * 4, [0, 0, 0, 1], [1, 1, 1, 0]]),
        ("coeff: 1 coeff: -0.5 coeff: 2", [10.5, 10, 14, 12.5], [[1] * 4, [-0.5] * 4, [2] * 4]),
        ("", [10, 10, 7, 15], [[1] * 4] * 3),
    ],
)
def test_values_and_gradients(fields, want, diffs, dtype):
    layer, bottoms = layer_from(eltwise(fields), dtype), [blob_of(values, dtype) for values in (A, B, C)]
    top = run_forward(layer, *bottoms)
    np.testing.assert_array_equal(top.data, want)
    top.diff[...] = 1
    run_backward(layer, bottoms, [top])
    np.testing.assert_array_equal([blob.diff for blob in bottoms], diffs)


def test_of_two_equal_values_the_second_bottom_gets_the_gradient():
    layer, bottoms = layer_from(eltwise("operation: MAX")), [blob_of([1, np.nan]), blob_of([1, 2])]
    top = run_forward(layer, *bottoms)
    np.testing.assert_array_equal(top.data, [1, 2])
    top.diff[...] = 1
    run_backward(layer, bottoms, [top])
    np.testing.assert_array_equal(bottoms[1].diff, [1, 1])


@pytest.mark.parametrize("operation", ["SUM", "PROD", "PROD stable_prod_grad: false", "MAX"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_in_place(operation, place, dtype):
    text = eltwise(f"operation: {operation}")
    values = [RNG.normal(size=(2, 3)) for _ in range(3)]
    bottoms, others = ([blob_of(array, dtype) for array in values] for _ in range(2))
    layer, plain = layer_from(text, dtype), layer_from(text, dtype)
    setup_layer(layer, bottoms, [bottoms[place]])
    layer.forward(bottoms, [bottoms[place]])
    top = run_forward(plain, *others)
    np.testing.assert_array_equal(bottoms[place].data, top.data)
    bottoms[place].diff[...] = top.diff[...] = 3
    run_backward(layer, bottoms, [bottoms[place]])
    run_backward(plain, others, [top])
    for blob, other in zip(bottoms, others, strict=True):
        np.testing.assert_allclose(blob.diff, other.diff, rtol=1e-6)


@pytest.mark.parametrize(
    "fields",
    ["operation: SUM", "coeff: 1 coeff: -0.5 coeff: 2", "operation: PROD", "operation: PROD stable_prod_grad: false"],
)
def test_gradient(fields):
    check_gradient(eltwise(fields), [RNG.uniform(0.1, 1, (2, 3)) for _ in range(3)], step=1e-4, threshold=1e-6)


def test_gradient_of_the_maximum():
    values = spread_values((3, 2, 4))
    check_gradient(eltwise("operation: MAX"), list(values), step=1e-3, threshold=1e-6)


def test_only_wanted_gradients_are_written():
    layer, bottoms = layer_from(eltwise("operation: PROD")), [blob_of(A), blob_of(B)]
    top = run_forward(layer, *bottoms)
    bottoms[0].diff[...] = 9
    run_backward(layer, bottoms, [top], [False, True])
    assert (bottoms[0].diff == 9).all()


@pytest.mark.parametrize(
    ("fields", "shapes", "message"),
    [
        ("", [(2, 3), (2, 4)], r"bottom\[1\] is 2 4 \(8\); all bottoms must have the shape of bottom\[0\], 2 3 \(6\)"),
        ("", [(2, 3), (2, 3, 1)], r"bottom\[1\] is 2 3 1 \(6\)"),
        ("coeff: 1", [(2,), (2,), (2,)], r"eltwise_param\.coeff is given 1 times; .* one coefficient per bottom blob"),
        ("operation: PROD coeff: 1 coeff: 1", [(2,), (2,)], r"eltwise_param\.coeff .*only takes coefficients for sum"),
        ("", [(2,)], r"bottom is given 1 times; Eltwise Layer takes at least 2"),
    ],
)
def test_refusals(fields, shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(eltwise(fields), *map(np.ones, shapes))
