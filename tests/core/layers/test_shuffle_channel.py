import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

VALUES = np.random.default_rng(1).normal(size=(2, 12, 3, 2))


def fields_of(group):
    return f'type: "ShuffleChannel" shuffle_channel_param {{ group: {group} }}'


@pytest.mark.parametrize("group", [1, 2, 3, 4, 12])
def test_equals_a_plain_version(group, dtype):
    expected = np.empty_like(VALUES)
    for i in range(group):
        for j in range(12 // group):
            expected[:, j * group + i] = VALUES[:, i * (12 // group) + j]
    np.testing.assert_array_equal(
        run_forward(fields_of(group), blob_of(VALUES, dtype)).data, expected.astype(dtype), strict=True
    )


def test_by_hand_also_without_spatial_axes(dtype):
    top = run_forward(fields_of(2), blob_of([[0, 1, 2, 3, 4, 5]], dtype))
    np.testing.assert_array_equal(top.data, [[0, 3, 1, 4, 2, 5]])


def test_group_is_1_unless_given():
    np.testing.assert_array_equal(run_forward('type: "ShuffleChannel"', VALUES).data, VALUES)


def test_the_shuffle_with_the_other_factor_undoes_it():
    once = run_forward(fields_of(3), VALUES).data.copy()
    np.testing.assert_array_equal(run_forward(fields_of(4), once).data, VALUES)


def test_the_gradient_goes_back_where_it_came_from(dtype):
    layer, bottom = layer_from(fields_of(2), dtype), blob_of(np.zeros((1, 6)), dtype)
    top = set_up(layer, [bottom])
    top[0].diff[...] = [[0, 3, 1, 4, 2, 5]]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [[0, 1, 2, 3, 4, 5]])


@pytest.mark.parametrize("group", [1, 2, 4])
def test_gradient(group):
    check_gradient(fields_of(group), [VALUES[:, :8, :2, :1]], threshold=1e-8)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of(2)), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 4, 5, 5), (0, 4, 5, 5), (3, 2, 1)):
        bottom.reshape(*shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        assert top[0].shape == shape


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        (5, VALUES, r"shuffle_channel_param\.group is 5; use a divisor of 12, the channels"),
        (0, VALUES, r"shuffle_channel_param\.group is 0; use a divisor"),
        (1, [1.0, 2.0], r"bottom\[0\] is 2 \(2\); ShuffleChannel needs channels, on axis 1"),
    ],
)
def test_refusals(group, values, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(group), values)
