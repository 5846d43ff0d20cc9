import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

TEXT = 'type: "BReLU" brelu_param { minval: -1 maxval: 2 }'


def test_values(dtype):
    top = run_forward(TEXT, blob_of([-5, -1, -0.5, 2, 3, -np.inf, np.nan], dtype))
    np.testing.assert_array_equal(top.data, np.array([-1, -1, -0.5, 2, 2, -1, np.nan], dtype), strict=True)


def test_the_bounds_are_0_and_1_unless_given(dtype):
    np.testing.assert_array_equal(run_forward('type: "BReLU"', blob_of([-1, 0.25, 3], dtype)).data, [0, 0.25, 1])


def test_the_gradient_passes_strictly_between_the_bounds(dtype):
    layer, bottom = layer_from(TEXT, dtype), blob_of([-1.5, -1, 0, 2, 2.5], dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = [1, 2, 3, 4, np.inf]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, [0, 0, 3, 0, 0])


def test_gradient():
    check_gradient(TEXT, [spread_values((3, 4, 5)) + 0.01], step=1e-3, threshold=1e-8)


def test_works_in_place(check_in_place, dtype):
    check_in_place(TEXT, spread_values((4, 3, 5)), dtype=dtype)


def test_no_items():
    assert run_forward(TEXT, np.ones((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("bounds", ["minval: 2", "maxval: -0.5", "minval: nan"])
def test_refuses_bounds_the_wrong_way_round(bounds):
    with pytest.raises(LayerError, match=r"brelu_param\.minval is .*; it must not be above maxval, which is"):
        run_forward(f'type: "BReLU" brelu_param {{ {bounds} }}', [1.0])
