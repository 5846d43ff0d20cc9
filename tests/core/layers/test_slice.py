import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
EIGHT = np.arange(1, 9, dtype=float).reshape(2, 4)


def cut(fields, values, tops):
    return run_forward(f'type: "Slice" slice_param {{ {fields} }}', values, top_count=tops)


@pytest.mark.parametrize("name", ["slice", "slice_points"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


def test_parts_and_gradients(dtype):
    layer, bottom = layer_from('type: "Slice" slice_param { slice_point: 1 }', dtype), blob_of(EIGHT, dtype)
    top = set_up(layer, [bottom], 2)
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, [[1], [5]])
    np.testing.assert_array_equal(top[1].data, [[2, 3, 4], [6, 7, 8]])
    top[0].diff[...] = [[10], [20]]
    top[1].diff[...] = [[1, 2, 3], [4, 5, 6]]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [[10, 1, 2, 3], [20, 4, 5, 6]])


@pytest.mark.parametrize(
    ("fields", "tops", "cuts", "axis"),
    [
        ("axis: 0", 3, [2, 4], 0),
        ("slice_point: 3", 2, [3], 1),
        ("axis: 0", 2, [3], 0),
        ("slice_point: 2 slice_point: 8", 3, [2, 8], 1),
        ("slice_dim: 0", 2, [3], 0),
        ("axis: -1 slice_point: 1", 2, [1], 3),
        ("", 1, [], 1),
    ],
)
def test_equals_numpys_split(fields, tops, cuts, axis, dtype):
    values = RNG.normal(size=(6, 12, 2, 3)).astype(dtype)
    found = cut(fields, blob_of(values, dtype), tops)
    for blob, part in zip(found if tops > 1 else [found], np.split(values, cuts, axis), strict=True):
        np.testing.assert_array_equal(blob.data, part)


def test_large_blobs(dtype):
    values = RNG.normal(size=(50, 6, 700)).astype(dtype)
    layer, bottom = (
        layer_from('type: "Slice" slice_param { slice_point: 1 slice_point: 4 }', dtype),
        blob_of(values, dtype),
    )
    top = set_up(layer, [bottom], 3)
    layer.forward([bottom], top)
    for blob, part in zip(top, np.split(values, [1, 4], 1), strict=True):
        np.testing.assert_array_equal(blob.data, part)
        blob.diff[...] = -part
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, -values)


@pytest.mark.parametrize(("fields", "tops"), [("axis: 0", 2), ("slice_point: 1", 2), ("", 1)])
def test_gradient(fields, tops):
    layer = f'type: "Slice" slice_param {{ {fields} }}'
    check_gradient(layer, [RNG.normal(size=(4, 3, 2))], top_count=tops, threshold=1e-8)


def test_no_items():
    assert [blob.shape for blob in cut("", np.ones((0, 4)), 2)] == [(0, 2), (0, 2)]


@pytest.mark.parametrize(
    ("fields", "shape", "tops", "message"),
    [
        (
            "slice_point: 5",
            (2, 4),
            2,
            r"slice_param\.slice_point\[0\] is 5; the points must ascend from 1 to at most 3",
        ),
        ("slice_point: 4", (2, 4), 2, r"slice_point\[0\] is 4; the points must ascend from 1 to at most 3"),
        ("slice_point: 0", (2, 4), 2, r"slice_point\[0\] is 0"),
        ("slice_point: 2 slice_point: 2", (2, 4), 3, r"slice_point\[1\] is 2"),
        ("slice_point: 1 slice_point: 2", (2, 4), 2, r"slice_point is given 2 times; 2 tops need 1 points between"),
        ("slice_point: 1", (2, 4), 1, r"slice_point is given 1 times; 1 tops need 0 points"),
        ("axis: 1 slice_dim: 1", (2, 4), 2, r"slice_dim is 1; either axis or slice_dim, not both"),
        ("slice_dim: 2", (2, 4), 2, r"slice_param\.slice_dim is 2; a blob of shape"),
        ("axis: 0", (1, 4), 2, r"top is given 2 times; axis 0 of size 1 has no 2 equal parts; write slice_point"),
    ],
)
def test_refusals(fields, shape, tops, message):
    with pytest.raises(LayerError, match=message):
        cut(fields, np.ones(shape), tops)


def test_refuses_in_place_use():
    layer, bottom = layer_from('type: "Slice"'), blob_of(EIGHT)
    with pytest.raises(LayerError, match="Slice does not work in place"):
        layer.reshape([bottom], [bottom])
