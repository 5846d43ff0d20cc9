import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError
from caffelite.core.layer import setup_layer
from caffelite.explaining.kinds import kind_of
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter
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


# Of forks


def test_without_scale_train_the_kept_values_stay_and_test_scales(dtype):
    text = 'type: "Dropout" dropout_param { dropout_ratio: 0.25 scale_train: false }'
    x = VALUES.astype(dtype)
    usual = run_forward(dropout(0.25), blob_of(x, dtype)).data
    top = run_forward(text, blob_of(x, dtype))
    np.testing.assert_array_equal(top.data, np.where(usual != 0, x, 0))
    layer, bottom = layer_from(text, dtype, TEST), blob_of(x, dtype)
    top = run_forward(layer, bottom)
    np.testing.assert_allclose(top.data, 0.75 * x, rtol=1e-6)
    top.diff[...] = x
    run_backward(layer, [bottom], [top])
    np.testing.assert_allclose(bottom.diff, 0.75 * x, rtol=1e-6)


@pytest.mark.parametrize("fields", ["scale_train: false", "sample_weights_test: true"])
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_gradient_of_forks(fields, phase):
    layer = layer_from(f'type: "Dropout" dropout_param {{ {fields} }}', phase=phase)
    check_gradient(layer, [VALUES[:, :, :2, :2]], threshold=1e-6)


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_without_scale_train_it_works_in_place(check_in_place, dtype, phase):
    text = 'type: "Dropout" dropout_param { scale_train: false }'
    check_in_place(text, VALUES, dtype=dtype, phase=phase)


def test_sample_weights_test_drops_in_test_and_otherwise_in_each_pass():
    net = caffelite.Net(text_format.Parse(NET.format("sample_weights_test: true"), NetParameter()), TEST)
    net.blobs["x"].data[...] = 3
    found = []
    for _ in range(2):
        net.forward()
        found.append(net.blobs["y"].data.copy())
    for values in found:
        assert set(np.unique(values)) == {0, 6} and abs((values == 0).mean() - 0.5) < 0.05
    assert abs((found[0] == found[1]).mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    ("fields", "formula"),
    [
        ("", "y = x / (1 - 0.5), or 0 with probability 0.5; in TEST y = x"),
        ("scale_train: false", "y = x, or 0 with probability 0.5; in TEST y = 0.5 * x"),
        ("sample_weights_test: true", "y = x / (1 - 0.5), or 0 with probability 0.5; in TEST, too"),
    ],
)
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_formula_terms_and_page_know_the_forks_fields(fields, formula, phase):
    net = caffelite.Net(text_format.Parse(NET.format(fields), NetParameter()), phase)
    net.blobs["x"].data[...] = 3
    net.forward()
    layer = net.core_layers[1]
    assert layer.formula_with_numbers([], []) == formula
    assert [net.why("y", 0, i).total for i in range(9)] == list(net.blobs["y"].data[0, :9])
    kind = kind_of(layer)
    if layer.drops:
        assert kind is None  # what it drew is in no blob
    else:
        a_half = {"kind": "neuron", "function": "power", "a": 0.5, "b": 0, "power": 1}
        assert kind == (a_half if fields == "scale_train: false" else {"kind": "copy"})


NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 40 dim: 100 }} }} }}
layer {{ name: "y" type: "Dropout" bottom: "x" top: "y" dropout_param {{ {} }} }}
"""
