from fractions import Fraction

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import LayerError
from caffelite.core.layers.unpooling_deconvnet import UnpoolingLayer, UnpoolingToPlacesLayer
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 2, 3, 4))


def fields_of(fields="kernel_size: 2 stride: 2", bottoms=1):
    given = "".join(f'bottom: "b{i}" ' for i in range(bottoms))
    return f'type: "Unpooling" {given} unpooling_param {{ {fields} }}'


def plain(values, method, kernel, stride, size):
    """Window by window, as the loops of DeconvNet's layer, the top beginning at 0."""
    top = np.zeros((*values.shape[:2], *size))
    for h, w in np.ndindex(values.shape[2:]):
        row, column, value = h * stride[0], w * stride[1], values[:, :, h, w]
        if method == "MAX":
            top[:, :, min(row, size[0] - 1), min(column, size[1] - 1)] = value
            continue
        bottom, right = min(row + kernel[0], size[0]), min(column + kernel[1], size[1])
        share = (bottom - row) * (right - column) if method == "AVE" else 1
        for y in range(row, bottom):
            for x in range(column, right):
                top[:, :, y, x] += value / share
    return top


CASES = [
    ("kernel_size: 2 stride: 2", (2, 2), (2, 2), (7, 9)),
    ("kernel_size: 4 stride: 2", (4, 4), (2, 2), (8, 10)),
    ("kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 8", (2, 2), (2, 2), (6, 8)),
    ("kernel_size: 3 stride: 2 unpool_size: 5", (3, 3), (2, 2), (5, 5)),
    ("kernel_h: 1 kernel_w: 3 stride_h: 2 stride_w: 1 unpool_size: 9", (1, 3), (2, 1), (9, 9)),
    ("kernel_size: 3 unpool_size: 2", (3, 3), (1, 1), (2, 2)),
    ("kernel_size: 3 stride: 3 unpool_size: 4", (3, 3), (3, 3), (4, 4)),
]


def test_two_bottoms_make_it_that_of_places():
    assert type(layer_from(fields_of())) is UnpoolingLayer
    assert type(layer_from(fields_of(bottoms=2))) is UnpoolingToPlacesLayer


@pytest.mark.parametrize("method", ["MAX", "AVE", "TILE"])
@pytest.mark.parametrize(("fields", "kernel", "stride", "size"), CASES)
def test_equals_a_plain_version(method, fields, kernel, stride, size, dtype):
    top = run_forward(fields_of(f"unpool: {method} {fields}"), blob_of(VALUES, dtype))
    assert top.shape == (2, 2, *size) and top.dtype == dtype
    np.testing.assert_allclose(top.data, plain(VALUES, method, kernel, stride, size), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "content"),
    [
        ("", [[4, 0, 8, 0], [0, 0, 0, 0]]),
        ("unpool: MAX", [[4, 0, 8, 0], [0, 0, 0, 0]]),
        ("unpool: TILE", [[4, 4, 8, 8], [4, 4, 8, 8]]),
        ("unpool: AVE", [[1, 1, 2, 2], [1, 1, 2, 2]]),
    ],
)
def test_by_hand(method, content, dtype):
    text = fields_of(f"{method} kernel_size: 2 stride: 2 unpool_h: 2 unpool_w: 4")
    np.testing.assert_array_equal(run_forward(text, blob_of([[[[4, 8]]]], dtype)).data, [[content]])


@pytest.mark.parametrize("method", ["MAX", "AVE", "TILE"])
@pytest.mark.parametrize("fields", [case[0] for case in CASES])
def test_gradient(method, fields):
    check_gradient(fields_of(f"unpool: {method} {fields}"), [VALUES[:1, :, :3, :3]], threshold=1e-8)


def test_a_second_forward_begins_at_0():
    layer, bottom = layer_from(fields_of("unpool: TILE kernel_size: 2 stride: 2")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    once = top[0].data.copy()
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, once)


NET = """
name: "places"
input: "x" input_dim: 2 input_dim: 3 input_dim: 6 input_dim: 6
layers { bottom: "x" top: "pool" top: "places" name: "pool" type: POOLING
         pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { bottom: "pool" bottom: "places" top: "up" name: "up" type: UNPOOLING
         unpooling_param { unpool: MAX kernel_size: 2 stride: 2 unpool_size: 6 } }
"""


def test_undoes_a_pooling_in_a_net_of_2014(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    net = caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST)
    x = RNG.normal(size=(2, 3, 6, 6)).astype(np.float32)
    up = net.forward(x=x)["up"]
    kept = up != 0
    np.testing.assert_array_equal(up[kept], x[kept])
    assert kept.reshape(6, -1).sum(1).tolist() == [9] * 6


def test_gradient_of_places():
    places = np.array([RNG.permutation(63)[:12] for _ in range(4)]).reshape(VALUES.shape)
    check_gradient(fields_of(bottoms=2), [VALUES, places], threshold=1e-8)


def test_places_outside_name_the_sizes_to_set():
    with pytest.raises(LayerError, match=r"bottom\[1\] is 63 at .* or set unpool_h and unpool_w to that size"):
        run_forward(fields_of(bottoms=2), VALUES, np.full(VALUES.shape, 63))


def test_reach_and_formula():
    layer = layer_from(fields_of("unpool: AVE kernel_size: 3 stride_h: 2 stride_w: 4"))
    blobs = [blob_of(VALUES)]
    top = set_up(layer, blobs)
    assert layer.reach(0, blobs, top) == ((2, 1), (Fraction(1, 2), Fraction(1, 4)))
    assert layer.formula_with_numbers(blobs, top) == (
        "y = x[n, c, h, w] in the block of 3 x 3 from 2 * h, 4 * w on (AVE: all of it, / its pixels in the top)"
    )


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of("unpool: TILE kernel_size: 2 stride: 2")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 3, 5, 2), (0, 3, 5, 2), (2, 1, 1, 1)):
        bottom.reshape(*shape)
        bottom.data[...] = 3
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        expected = np.zeros((*shape[:2], 2 * shape[2] + 1, 2 * shape[3] + 1))
        expected[:, :, :-1, :-1] = 3
        np.testing.assert_array_equal(top[0].data, expected)


@pytest.mark.parametrize("bottoms", [1, 2])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"unpooling_param\.kernel_size is not given; give it, or kernel_h and kernel_w"),
        ("kernel_h: 2", r"kernel_h is 2; give kernel_size, or kernel_h and kernel_w"),
        ("kernel_size: 2 stride_w: 2", r"stride_w is 2; give stride, or stride_h and stride_w"),
        ("kernel_size: 2 unpool_h: 2", r"unpool_h is 2; give unpool_size, or unpool_h and unpool_w"),
        ("kernel_size: 0", r"unpooling_param is kernel 0 x 0, stride 1 x 1; use 1 or more for all"),
        ("kernel_size: 2 stride: 0", r"unpooling_param is kernel 2 x 2, stride 0 x 0; use 1 or more for all"),
        ("kernel_size: 2 unpool_size: 0", r"unpooling_param\.unpool_size is 0 x 0; use 1 or more"),
        ("kernel_size: 2 pad: 1", r"unpooling_param\.pad is 1; Unpooling has none; leave it out, and set unpool_size"),
        ("kernel_size: 2 unpool: FIXED", r'unpool is FIXED; use MAX, AVE or TILE, or type: "UnPooling", ParseNet'),
    ],
)
def test_refusals(fields, message, bottoms):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields, bottoms), *[VALUES] * bottoms)


def test_refuses_means_with_places_and_what_is_no_image():
    with pytest.raises(LayerError, match=r"unpool is AVE; with two bottoms it is MAX; leave the second bottom out"):
        run_forward(fields_of("unpool: AVE kernel_size: 2", bottoms=2), VALUES, VALUES)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 2 3 \(12\); give images, of 4 axes"):
        run_forward(fields_of(), VALUES[..., 0])
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 2 3 \(12\); Unpooling takes images, of 4 axes"):
        run_forward(fields_of(bottoms=2), VALUES[..., 0], VALUES[..., 0])


def test_parsenets_type_refuses_these_methods():
    with pytest.raises(LayerError, match=r'unpool is MAX; use FIXED, DIV or REP, or type: "Unpooling", DeconvNet'):
        run_forward('type: "UnPooling" unpooling_param { unpool: MAX out_kernel_size: 2 }', VALUES)
