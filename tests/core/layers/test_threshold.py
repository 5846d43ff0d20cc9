import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_backward, run_forward, set_up, spread_values


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("threshold")


@pytest.mark.parametrize("threshold", [0, 0.5])
def test_values(dtype, threshold):
    text = f'type: "Threshold" threshold_param {{ threshold: {threshold} }}'
    values = spread_values((2, 3, 6, 5))
    top = run_forward(text, blob_of(values, dtype))
    np.testing.assert_array_equal(top.data, values > threshold)


def test_the_threshold_itself_is_not_above_it(dtype):
    np.testing.assert_array_equal(run_forward('type: "Threshold"', blob_of([0, 1e-30, np.nan], dtype)).data, [0, 1, 0])


def test_works_in_place(dtype):
    layer, bottom = layer_from('type: "Threshold"', dtype), blob_of([-1, 2], dtype)
    set_up(layer, [bottom])
    layer.reshape([bottom], [bottom])
    layer.forward([bottom], [bottom])
    np.testing.assert_array_equal(bottom.data, [0, 1])


def test_has_no_gradient():
    layer, bottom = layer_from('type: "Threshold"'), blob_of([1.0])
    top = set_up(layer, [bottom])
    run_backward(layer, [bottom], top, [False])
    with pytest.raises(LayerError, match="propagate_down is true; Threshold has no gradient"):
        run_backward(layer, [bottom], top, [True])
