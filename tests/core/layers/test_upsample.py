from fractions import Fraction

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 2, 3, 4))


def fields_of(fields):
    return f'type: "Upsample" upsample_param {{ {fields} }}'


@pytest.mark.parametrize(
    ("fields", "down", "across", "gain"),
    [
        ("scale: 2", 2, 2, 1),
        ("scale: 3", 3, 3, 1),
        ("scale: 1", 1, 1, 1),
        ("", 1, 1, 1),
        ("stride: 2", 2, 2, 1),
        ("stride: 3 scale: 0.5", 3, 3, 0.5),
        ("stride_h: 1 stride_w: 4 scale: 2", 1, 4, 2),
        ("stride_w: 3", 2, 3, 1),
        ("stride: 3 stride_h: 1", 1, 3, 1),
    ],
)
def test_equals_a_plain_version(fields, down, across, gain, dtype):
    top = run_forward(fields_of(fields), blob_of(VALUES, dtype))
    assert top.shape == (2, 2, 3 * down, 4 * across) and top.dtype == dtype
    for n, c, h, w in np.ndindex(top.shape):
        assert top.data[n, c, h, w] == VALUES[n, c, h // down, w // across].astype(dtype) * dtype(gain)


def test_by_hand(dtype):
    top = run_forward(fields_of("scale: 2"), blob_of([[[[1, 2]]]], dtype))
    np.testing.assert_array_equal(top.data, [[[[1, 1, 2, 2], [1, 1, 2, 2]]]])


def test_the_gradients_of_a_block_add_up(dtype):
    layer, bottom = layer_from(fields_of("stride: 2 scale: 10"), dtype), blob_of([[[[1, 2]]]], dtype)
    top = set_up(layer, [bottom])
    top[0].diff[...] = [[[[1, 2, 3, 4], [5, 6, 7, 8]]]]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [[[[140, 220]]]])


@pytest.mark.parametrize("fields", ["scale: 2", "stride_h: 3 stride_w: 1 scale: 0.5"])
def test_gradient(fields):
    check_gradient(fields_of(fields), [VALUES[:, :, :2, :3]], threshold=1e-8)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of("scale: 2")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 3, 5, 2), (0, 3, 5, 2), (5, 2)):
        bottom.reshape(*shape)
        bottom.data[...] = 3
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        np.testing.assert_array_equal(top[0].data, np.full((*shape[:-2], 2 * shape[-2], 2 * shape[-1]), 3.0))


def test_reach_and_formula():
    layer, bottom = layer_from(fields_of("stride_h: 2 stride_w: 4 scale: 3")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    assert layer.reach(0, [bottom], top) == ((1, 1), (Fraction(1, 2), Fraction(1, 4)))
    assert layer.formula_with_numbers([bottom], top) == "y[..., h, w] = 3 * x[..., h // 2, w // 4]"


@pytest.mark.parametrize(
    ("fields", "values", "message"),
    [
        ("scale: 1.5", VALUES, r"upsample_param\.scale is 1\.5; use a whole number, 2 for twice the size"),
        ("scale: 0", VALUES, r"upsample_param\.scale is 0"),
        ("scale: inf", VALUES, r"upsample_param\.scale is inf"),
        ("scale: nan", VALUES, r"upsample_param\.scale is nan"),
        ("stride: -2", VALUES, r"upsample_param\.stride is -2"),
        ("stride: 2 stride_w: 0", VALUES, r"upsample_param\.stride_w is 0"),
        ("scale: 2", [1.0], r"bottom\[0\] is 1 \(1\); Upsample takes images"),
    ],
)
def test_refusals(fields, values, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields), values)
