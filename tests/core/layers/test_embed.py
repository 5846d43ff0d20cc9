import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

FIELDS = (
    'num_output: 10 input_dim: 5 weight_filler { type: "uniform" min: -10 max: 10 } bias_filler { type: "gaussian" }'
)
INDICES = np.array([4, 2, 2, 3]).reshape(4, 1, 1, 1)


def embed(fields=""):
    return f'type: "Embed" embed_param {{ {FIELDS} {fields} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("embed")


@pytest.mark.parametrize("bias_term", ["true", "false"])
def test_looks_rows_up(dtype, bias_term):
    layer = layer_from(embed(f"bias_term: {bias_term}"), dtype)
    top = run_forward(layer, blob_of(INDICES, dtype))
    assert top.shape == (4, 1, 1, 1, 10)
    assert [blob.shape for blob in layer.blobs] == ([(5, 10), (10,)] if bias_term == "true" else [(5, 10)])
    bias = layer.blobs[1].data if bias_term == "true" else 0
    np.testing.assert_array_equal(top.data.reshape(4, 10), layer.blobs[0].data[[4, 2, 2, 3]] + bias)


def test_cuts_fractions_off():
    layer = layer_from(embed("bias_term: false"))
    top = run_forward(layer, [1.9, -0.9, 4.99])
    np.testing.assert_array_equal(top.data, layer.blobs[0].data[[1, 0, 4]])


@pytest.mark.parametrize("bias_term", ["true", "false"])
def test_gradient(bias_term):
    check_gradient(embed(f"bias_term: {bias_term}"), [INDICES], check_bottom=[], threshold=1e-8)


def test_skips_parameters_that_are_not_learned():
    layer, bottom = layer_from(embed()), blob_of(INDICES)
    top = set_up(layer, [bottom])
    layer.param_propagate_down = [False, False]
    top[0].diff[...] = 1
    run_backward(layer, [bottom], top, [False])
    assert not any(blob.diff.any() for blob in layer.blobs)


@pytest.mark.parametrize("index", [5, -1, np.nan, np.inf])
def test_refuses_an_index_out_of_range(index):
    with pytest.raises(LayerError, match=rf"index 1 of bottom\[0\] is {index:g}; the table has rows 0 to 4"):
        run_forward(embed(), [0, index, 7])


@pytest.mark.parametrize(("num_output", "input_dim"), [(0, 5), (10, 0)])
def test_refuses_a_table_without_elements(num_output, input_dim):
    field = "input_dim" if num_output else "num_output"
    with pytest.raises(LayerError, match=rf"embed_param\.{field} is 0; use 1 or more"):
        run_forward(f'type: "Embed" embed_param {{ num_output: {num_output} input_dim: {input_dim} }}', INDICES)


def test_refuses_the_gradient_of_indices():
    layer, bottom = layer_from(embed()), blob_of(INDICES)
    top = set_up(layer, [bottom])
    assert not layer.allow_force_backward(0)
    with pytest.raises(LayerError, match=r"propagate_down\[0\] is true; Embed cannot backpropagate"):
        run_backward(layer, [bottom], top, [True])
