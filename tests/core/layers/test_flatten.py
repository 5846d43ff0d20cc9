import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4))


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("flatten")


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ("", (2, 12)),
        ("axis: 0", (24,)),
        ("end_axis: -2", (2, 3, 4)),
        ("axis: 0 end_axis: -2", (6, 4)),
        ("axis: 2 end_axis: 1", (2, 3, 1, 4)),
        ("axis: 1 end_axis: 0", (2, 1, 3, 4)),
    ],
)
def test_shapes_and_values(fields, shape, dtype):
    top = run_forward(f'type: "Flatten" flatten_param {{ {fields} }}', blob_of(VALUES, dtype))
    np.testing.assert_array_equal(top.data, VALUES.reshape(shape).astype(dtype))


def test_gradient():
    check_gradient('type: "Flatten"', [VALUES], threshold=1e-8)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("axis: 2 end_axis: 0", (2, 3, 4), r"flatten_param\.end_axis is 0; it must not be before axis, which is 2"),
        ("axis: 3", (2, 3, 4), r"flatten_param\.axis is 3"),
        ("", (5,), r"flatten_param\.axis is 1; a blob of shape 5 \(5\) has axes -1 to 0"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f'type: "Flatten" flatten_param {{ {fields} }}', np.ones(shape))


def test_refuses_in_place_use():
    layer, bottom = layer_from('type: "Flatten"'), blob_of(VALUES)
    set_up(layer, [bottom])
    with pytest.raises(LayerError, match="does not work in place"):
        layer.reshape([bottom], [bottom])
