import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 2, 3, 4))
IMAGE = [[[[1, 2, 3], [4, 5, 6]]]]


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ("", [[3, 2, 1], [6, 5, 4]]),
        ("flip_height: true", [[6, 5, 4], [3, 2, 1]]),
        ("flip_width: false flip_height: true", [[4, 5, 6], [1, 2, 3]]),
        ("flip_width: false", [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_values(fields, content, dtype):
    top = run_forward(f'type: "Flip" flip_param {{ {fields} }}', blob_of(IMAGE, dtype))
    np.testing.assert_array_equal(top.data, np.array([[content]], dtype), strict=True)


@pytest.mark.parametrize("fields", ["", "flip_height: true"])
def test_gradient(fields):
    check_gradient(f'type: "Flip" flip_param {{ {fields} }}', [VALUES], threshold=1e-8)


def test_follows_a_bottom_whose_shape_changes_and_takes_no_items():
    layer, bottom = layer_from('type: "Flip"'), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for values in (np.arange(6.0).reshape(1, 1, 1, 6), np.ones((0, 2, 5, 5)), VALUES):
        bottom.reshape(*values.shape)
        bottom.data[...] = values
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        np.testing.assert_array_equal(top[0].data, values[..., ::-1])


def test_refuses_what_is_no_image():
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 2 3 \(12\); Flip takes images, of 4 axes; a Reverse layer"):
        run_forward('type: "Flip"', VALUES[..., 0])
