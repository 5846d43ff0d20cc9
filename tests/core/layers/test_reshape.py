import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4))


def fields_of(dims, rest=""):
    shape = " ".join(f"dim: {dim}" for dim in dims)
    return f'type: "Reshape" reshape_param {{ shape {{ {shape} }} {rest} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("reshape")


@pytest.mark.parametrize(
    ("dims", "rest", "shape"),
    [
        ((0, -1), "", (2, 12)),
        ((-1, 6), "axis: 1", (2, 2, 6)),
        ((1,), "axis: -1", (2, 3, 4, 1)),
        ((1,), "axis: -1 num_axes: 0", (2, 3, 4, 1)),
        ((-1, 0), "num_axes: 2", (2, 3, 4)),
        ((12,), "axis: 1", (2, 12)),
        ((-1,), "axis: -2", (2, 3, 4)),
        ((-1, 2), "axis: -2 num_axes: 1", (2, 3, 2, 2)),
        ((0, -1), "axis: 1 num_axes: 1", (2, 3, 1, 4)),
        ((), "axis: 1 num_axes: 0", (2, 3, 4)),
        ((0, 0, 0), "", (2, 3, 4)),
    ],
)
def test_shapes_and_values(dims, rest, shape, dtype):
    top = run_forward(fields_of(dims, rest), blob_of(VALUES, dtype))
    np.testing.assert_array_equal(top.data, VALUES.reshape(shape).astype(dtype))


def test_without_a_shape_axes_of_1_may_go():
    assert run_forward('type: "Reshape" reshape_param { axis: 1 num_axes: 1 }', np.ones((2, 1, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("bottom", "dims", "rest", "shape"),
    [
        ((2, 3, 6, 5), (0, -1, 1, 1), "", (2, 90, 1, 1)),
        ((2, 3, 6, 5), (0, 3, 10, -1), "", (2, 3, 10, 3)),
        ((2, 3, 6, 5), (3, 10, -1), "axis: 1", (2, 3, 10, 3)),
        ((2, 3, 6, 5), (1, 1, 1), "num_axes: 0", (1, 1, 1, 2, 3, 6, 5)),
        ((2, 3, 6, 5), (1, 1, 1), "axis: 2 num_axes: 0", (2, 3, 1, 1, 1, 6, 5)),
        ((2, 3, 6, 5), (1, 1, 1), "axis: -1 num_axes: 0", (2, 3, 6, 5, 1, 1, 1)),
        ((2, 3, 6, 5), (-1,), "axis: 1 num_axes: 2", (2, 18, 5)),
        ((2, 1, 3), (2, 0), "num_axes: 1", (2, 1, 1, 3)),
        ((0, 3, 4), (0, -1), "axis: 1", None),
        ((0, 3, 4), (0, 12), "", (0, 12)),
    ],
)
def test_more_shapes(bottom, dims, rest, shape):
    if shape is None:
        with pytest.raises(LayerError, match="cannot be divided by the product of the other sizes, 0"):
            run_forward(fields_of(dims, rest), np.ones(bottom))
    else:
        assert run_forward(fields_of(dims, rest), np.ones(bottom)).shape == shape


def test_follows_a_bottom_whose_shape_and_memory_change():
    layer, bottom = layer_from(fields_of((6, 2, 3, 5))), blob_of(np.ones((2, 3, 6, 5)))
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    bottom.reshape(180)
    bottom.set_data_storage(np.arange(180.0))
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    assert top[0].shape == (6, 2, 3, 5) and top[0].data.flat[179] == 179


def test_gradient():
    check_gradient(fields_of((0, -1)), [VALUES], threshold=1e-8)


@pytest.mark.parametrize(
    ("dims", "rest", "message"),
    [
        ((-1, -1), "", r"reshape_param\.shape is -1 -1; only one dim may be -1"),
        ((0, 0, 0, 0), "", r"reshape_param\.shape\.dim\[3\] is 0; it copies axis 3 of a bottom of shape 2 3 4 \(24\)"),
        ((5, -1), "", r"shape is 5 -1; 24 values, .* cannot be divided by the product of the other sizes, 5"),
        ((-2, -1), "", r"reshape_param\.shape\.dim\[0\] is -2; use a size, 0 \(copied\) or -1"),
        ((2, 2), "", r"shape is 2 2; output count must match input count: 2 3 4 \(24\) would become 2 2 \(4\)"),
        ((3, 0, -1), "", r"cannot be divided by the product of the other sizes, 9"),
        ((1,), "axis: 4", r"reshape_param\.axis is 4; .* use -4 to 3; -1 is behind the last axis"),
        ((1,), "axis: -5", r"reshape_param\.axis is -5"),
        ((1,), "axis: 2 num_axes: 2", r"reshape_param\.num_axes is 2; .* has 1 axes from axis 2 on; -1 means all"),
        ((1,), "num_axes: -2", r"reshape_param\.num_axes is -2"),
        ((), "", r"reshape_param\.shape is empty; output count must match"),
        ((1, 0), "num_axes: 0", r"output count must match"),
    ],
)
def test_refusals(dims, rest, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(dims, rest), VALUES)


def test_refuses_in_place_use():
    layer, bottom = layer_from(fields_of((0, -1))), blob_of(VALUES)
    with pytest.raises(LayerError, match="Reshape does not work in place"):
        layer.reshape([bottom], [bottom])
