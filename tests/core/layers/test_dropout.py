import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layer import setup_layer
from caffelite.proto.caffe_pb2 import TEST
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
ONES = np.ones((200, 100))


def dropout(ratio):
    return f'type: "Dropout" dropout_param {{ dropout_ratio: {ratio} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("dropout_test")


@pytest.mark.parametrize("ratio", [0.5, 0.75])
def test_drops_its_share_and_scales_the_rest(ratio, dtype):
    top = run_forward(dropout(ratio), blob_of(ONES, dtype))
    kept = top.data[top.data != 0]
    np.testing.assert_allclose(kept, 1 / (1 - ratio), rtol=1e-6)
    assert abs(kept.size / ONES.size - (1 - ratio)) < 4 * np.sqrt(ratio * (1 - ratio) / ONES.size)


def test_the_mask_depends_on_seed_name_and_pass_only():
    def mask(name="drop", seed=1, passes=0):
        layer = layer_from(dropout(0.5), name=name, seed=seed)
        layer.context.passes = passes
        return run_forward(layer, ONES).data > 0

    np.testing.assert_array_equal(mask(), mask())
    for other in ({"name": "other"}, {"seed": 2}, {"passes": 1}):
        assert abs((mask() == mask(**other)).mean() - 0.5) < 0.02


@pytest.mark.parametrize("in_place", [False, True])
def test_the_gradient_takes_the_mask_of_the_last_forward(in_place, dtype):
    layer, bottom = layer_from(dropout(0.25), dtype), blob_of(ONES, dtype)
    top = bottom if in_place else layer.new_blob()
    setup_layer(layer, [bottom], [top])
    layer.forward([bottom], [top])
    top.diff[...] = 3
    run_backward(layer, [bottom], [top])
    np.testing.assert_array_equal(bottom.diff, 3 * top.data)


def test_passes_everything_on_in_the_test_phase():
    layer, bottom = layer_from(dropout(0.5), phase=TEST), blob_of(VALUES)
    top = run_forward(layer, bottom)
    np.testing.assert_array_equal(top.data, VALUES)
    top.diff[...] = VALUES
    run_backward(layer, [bottom], [top])
    np.testing.assert_array_equal(bottom.diff, VALUES)


def test_ratio_0_passes_everything_on():
    np.testing.assert_array_equal(run_forward(dropout(0), VALUES).data, VALUES)


def test_the_largest_ratio_scales_by_a_number(dtype):
    layer, bottom = layer_from(dropout(1 - 2**-24), dtype), blob_of(ONES, dtype)  # the next float is 1
    top = run_forward(layer, bottom)
    assert np.isfinite(top.data).all()
    assert set(np.unique(top.data)) <= {0, 2**24}


@pytest.mark.parametrize("ratio", [0.5, 0.75])
def test_gradient(ratio):
    check_gradient(dropout(ratio), [VALUES[:, :, :2, :2]], threshold=1e-6)


def test_a_ratio_that_is_1_as_a_float_is_refused_as_1():
    with pytest.raises(LayerError, match=r"dropout_param\.dropout_ratio is 1; use a share from 0 to less than 1"):
        run_forward(dropout(1 - 1e-10), VALUES)


@pytest.mark.parametrize("ratio", [1, 1.5, -0.1])
def test_refusals(ratio):
    with pytest.raises(LayerError, match=rf"dropout_param\.dropout_ratio is {ratio:g}; use a share from 0 to less"):
        run_forward(dropout(ratio), VALUES)
