import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4))


def fields_of(*axes):
    return f'type: "Reverse" reverse_param {{ {" ".join(f"axis: {axis}" for axis in axes)} }}'


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (-1,), (0, 2), (2, 1, 0)])
def test_each_value_is_at_the_other_end(axes, dtype):
    top = run_forward(fields_of(*axes), blob_of(VALUES, dtype))
    turned = {axis % 3 for axis in axes}
    for place in np.ndindex(VALUES.shape):
        other = tuple(VALUES.shape[a] - 1 - at if a in turned else at for a, at in enumerate(place))
        assert top.data[place] == VALUES[other].astype(dtype)


def test_along_axis_0_unless_told(dtype):
    np.testing.assert_array_equal(run_forward('type: "Reverse"', blob_of([1, 2, 3], dtype)).data, [3, 2, 1])


@pytest.mark.parametrize("axes", [(0,), (1, 2)])
def test_gradient(axes):
    check_gradient(fields_of(*axes), [VALUES], threshold=1e-8)


def test_follows_a_bottom_whose_shape_changes_and_takes_no_items():
    layer, bottom = layer_from(fields_of(1)), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for values in (np.arange(6.0).reshape(1, 6), np.ones((0, 2, 5)), VALUES):
        bottom.reshape(*values.shape)
        bottom.data[...] = values
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        np.testing.assert_array_equal(top[0].data, values[:, ::-1])


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((3,), r"reverse_param\.axis is 3; a blob of shape 2 3 4 \(24\) has axes -3 to 2"),
        ((-4,), r"reverse_param\.axis is -4"),
        ((1, -2), r"reverse_param\.axis\[1\] is -2; this axis is there before"),
    ],
)
def test_refusals(axes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(*axes), VALUES)
