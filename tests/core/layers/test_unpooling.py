from fractions import Fraction

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 2, 3, 4))


def fields_of(fields="", method="FIXED"):
    return f'type: "UnPooling" unpooling_param {{ unpool: {method} {fields} }}'


def plain(values, method, kernel, stride, pad):
    """Block by block."""
    height, width = (
        (size - 1) * s + k - 2 * p for size, k, s, p in zip(values.shape[2:], kernel, stride, pad, strict=True)
    )
    total, count = np.zeros((*values.shape[:2], height, width)), np.zeros((height, width))
    for h, w in np.ndindex(values.shape[2:]):
        top, left = h * stride[0] - pad[0], w * stride[1] - pad[1]
        value = values[:, :, h, w]
        if method == "FIXED":
            row = min(max((2 * top + kernel[0] - 1) // 2, 0), height - 1)
            column = min(max((2 * left + kernel[1] - 1) // 2, 0), width - 1)
            total[:, :, row, column] = value
            continue
        block = (
            slice(max(top, 0), min(top + kernel[0], height)),
            slice(max(left, 0), min(left + kernel[1], width)),
        )
        total[(..., *block)] += (value / (kernel[0] * kernel[1]) if method == "DIV" else value)[..., None, None]
        count[block] += 1
    return total if method == "FIXED" else total / np.maximum(count, 1)


CASES = [
    ("out_kernel_size: 2 out_stride: 2", (2, 2), (2, 2), (0, 0)),
    ("out_kernel_size: 3 out_stride: 2 out_pad: 1", (3, 3), (2, 2), (1, 1)),
    ("out_kernel_size: 3", (3, 3), (1, 1), (0, 0)),
    ("out_kernel_size: 2 out_stride: 3", (2, 2), (3, 3), (0, 0)),
    ("out_kernel_size: 4 out_pad: 3 out_stride: 2", (4, 4), (2, 2), (3, 3)),
    (
        "out_kernel_h: 3 out_kernel_w: 2 out_stride_h: 2 out_stride_w: 1 out_pad_h: 1 out_pad_w: 0",
        (3, 2),
        (2, 1),
        (1, 0),
    ),
]


@pytest.mark.parametrize("method", ["FIXED", "REP", "DIV"])
@pytest.mark.parametrize(("fields", "kernel", "stride", "pad"), CASES)
def test_equals_a_plain_version(method, fields, kernel, stride, pad, dtype):
    top = run_forward(fields_of(fields, method), blob_of(VALUES, dtype))
    assert top.dtype == dtype
    expected = plain(VALUES, method, kernel, stride, pad)
    assert top.shape == expected.shape
    np.testing.assert_allclose(top.data, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "content"),
    [
        ("FIXED", [[4, 0, 8, 0], [0, 0, 0, 0]]),
        ("REP", [[4, 4, 8, 8], [4, 4, 8, 8]]),
        ("DIV", [[1, 1, 2, 2], [1, 1, 2, 2]]),
    ],
)
def test_by_hand(method, content, dtype):
    top = run_forward(fields_of("out_kernel_size: 2 out_stride: 2", method), blob_of([[[[4, 8]]]], dtype))
    np.testing.assert_array_equal(top.data, [[content]])


def test_fixed_is_the_method_unless_told():
    text = 'type: "UnPooling" unpooling_param { out_kernel_size: 3 }'
    np.testing.assert_array_equal(run_forward(text, [[[[5.0]]]]).data.ravel(), [0, 0, 0, 0, 5, 0, 0, 0, 0])


@pytest.mark.parametrize("method", ["FIXED", "REP", "DIV"])
@pytest.mark.parametrize(
    ("values", "like", "kernel", "stride", "pad"),
    [
        (VALUES, (6, 8), (2, 2), (2, 2), (0, 0)),
        (VALUES, (5, 8), (2, 2), (2, 2), (0, 0)),  # (3 - 1) * 2 + 2 - 5 = 1, and half of it is 0
        (VALUES[:, :, :1, :1], (6, 8), (6, 8), (1, 1), (0, 0)),  # ParseNet's context: one pixel everywhere
        (VALUES[:, :, :, :3], (7, 8), (3, 3), (3, 3), (1, 0)),
    ],
)
def test_the_second_bottom_gives_the_blocks(method, values, like, kernel, stride, pad):
    top = run_forward(fields_of(method=method), values, np.ones((1, 1, *like)))
    expected = plain(values, method, kernel, stride, pad)
    assert top.shape == expected.shape
    np.testing.assert_allclose(top.data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["FIXED", "REP", "DIV"])
@pytest.mark.parametrize("fields", [CASES[0][0], CASES[1][0], CASES[3][0], CASES[4][0]])
def test_gradient(method, fields):
    check_gradient(fields_of(fields, method), [VALUES[:1, :, :3, :3]], threshold=1e-8)


def test_gradient_with_a_second_bottom():
    bottoms = [VALUES[:1, :, :2, :2], np.ones((1, 1, 4, 4))]
    check_gradient(fields_of(method="REP"), bottoms, check_bottom=[0, 1], threshold=1e-8)


def test_what_is_between_the_blocks_is_0_whatever_the_values():
    top = run_forward(fields_of("out_kernel_size: 1 out_stride: 2", "REP"), np.full((1, 1, 2, 2), np.inf))
    np.testing.assert_array_equal(top.data[0, 0], [[np.inf, 0, np.inf], [0, 0, 0], [np.inf, 0, np.inf]])


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of("out_kernel_size: 2 out_stride: 2", "REP")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 3, 5, 2), (0, 3, 5, 2), (2, 1, 1, 1)):
        bottom.reshape(*shape)
        bottom.data[...] = 3
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        np.testing.assert_array_equal(top[0].data, np.full((*shape[:2], 2 * shape[2], 2 * shape[3]), 3.0))


def test_reach_and_formula():
    layer = layer_from(fields_of("out_kernel_size: 3 out_stride_h: 2 out_stride_w: 4 out_pad: 1", "DIV"))
    blobs = [blob_of(VALUES), blob_of(VALUES)]
    top = set_up(layer, blobs[:1])
    assert layer.reach(0, blobs, top) == ((2, 1), (Fraction(1, 2), Fraction(1, 4)))
    assert layer.reach(1, blobs, top) is None
    assert layer.formula_with_numbers(blobs, top) == (
        "y = x[n, c, h, w] in the block of 3 x 3 from 2 * h - 1, 4 * w - 1 on (DIV: all of it, / 9)"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"unpooling_param\.out_kernel_size is not given; give it, or out_kernel_h and out_kernel_w"),
        ("out_kernel_h: 2", r"out_kernel_h is 2; give out_kernel_size, or out_kernel_h and out_kernel_w"),
        ("out_kernel_size: 2 out_kernel_h: 2 out_kernel_w: 2", r"out_kernel_h is 2; give out_kernel_size, or"),
        ("out_kernel_size: 2 out_pad_w: 1", r"out_pad_w is 1; give out_pad, or out_pad_h and out_pad_w"),
        ("out_kernel_size: 0", r"out_kernel 0, out_stride 1; use 1 or more for both"),
        ("out_kernel_size: 2 out_stride: 0", r"out_kernel 2, out_stride 0; use 1 or more for both"),
        (
            "out_kernel_size: 2 out_pad: 2",
            r"unpooling_param\.out_pad is 2; it must be smaller than the block, which is 2",
        ),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields), VALUES)


def test_refuses_what_is_no_image_and_a_top_of_which_nothing_is_left():
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 2 3 \(12\); give images, of 4 axes"):
        run_forward(fields_of("out_kernel_size: 2"), VALUES[..., 0])
    with pytest.raises(LayerError, match=r"bottom\[1\] is 2 2 3 \(12\); give images"):
        run_forward(fields_of(), VALUES, VALUES[..., 0])
    with pytest.raises(LayerError, match=r"unpooling_param\.out_pad is 2; nothing is left of the top; use less"):
        run_forward(fields_of("out_kernel_size: 3 out_pad: 2"), VALUES[:, :, :1, :1])
