import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layer import setup_layer
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward

VALUES = np.random.default_rng(1).normal(size=(2, 7, 3, 3))


def lrn(fields=""):
    return f'type: "LRN" lrn_param {{ {fields} }}'


@pytest.mark.parametrize("name", ["lrn_across", "lrn_across_k", "lrn_within"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


def test_across_channels(dtype):
    layer = layer_from(lrn("local_size: 3 alpha: 3 beta: 1 k: 2"), dtype)
    bottom = blob_of(np.reshape([1, 2, 3], (1, 3, 1, 1)), dtype)
    top = run_forward(layer, bottom)
    np.testing.assert_allclose(top.data.ravel(), [1 / 7, 1 / 8, 1 / 5], rtol=1e-6)
    top.diff[...] = 1
    run_backward(layer, [bottom], [top])
    np.testing.assert_allclose(bottom.diff.ravel(), [0.0864158, -0.1037160, -0.0602083], rtol=1e-5)


def test_within_channel_ignores_k(dtype):
    text = lrn("local_size: 3 alpha: 9 beta: 1 k: 5 norm_region: WITHIN_CHANNEL")
    top = run_forward(text, blob_of(np.arange(1, 10).reshape(1, 1, 3, 3), dtype))
    want = [1 / 47, 2 / 92, 3 / 75, 4 / 160, 5 / 286, 6 / 220, 7 / 155, 8 / 272, 9 / 207]
    np.testing.assert_allclose(top.data.ravel(), want, rtol=1e-6)


@pytest.mark.parametrize("fields", ["", "local_size: 15", "norm_region: WITHIN_CHANNEL local_size: 3", "beta: 0.6"])
def test_gradient(fields):
    check_gradient(lrn(fields), [VALUES[:1, :, :2]], step=1e-3, threshold=1e-5)


@pytest.mark.parametrize("fields", ["local_size: 3", "local_size: 3 norm_region: WITHIN_CHANNEL"])
def test_in_place(fields, dtype):
    layer, blob, other = layer_from(lrn(fields), dtype), blob_of(VALUES, dtype), blob_of(VALUES, dtype)
    setup_layer(layer, [blob], [blob])
    layer.forward([blob], [blob])
    plain = layer_from(lrn(fields), dtype)
    top = run_forward(plain, other)
    np.testing.assert_allclose(blob.data, top.data, rtol=1e-6)
    blob.diff[...] = top.diff[...] = VALUES[::-1]
    run_backward(layer, [blob], [blob])
    run_backward(plain, [other], [top])
    np.testing.assert_allclose(blob.diff, other.diff, rtol=1e-5, atol=1e-6)


def test_gradient_survives_a_layer_that_works_on_the_top():
    layer, bottom = layer_from(lrn()), blob_of(VALUES)
    top = run_forward(layer, bottom)
    top.diff[...] = 1
    run_backward(layer, [bottom], [top])
    before = bottom.diff.copy()
    top.data[...] = 0
    run_backward(layer, [bottom], [top])
    np.testing.assert_array_equal(bottom.diff, before)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("local_size: 4", (1, 2, 3, 3), r"lrn_param\.local_size is 4; LRN only supports odd values for local_size"),
        ("", (2, 3), r"bottom\[0\] is 2 3 \(6\); Input must have 4 axes"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(lrn(fields), np.ones(shape))


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_a_region_beyond_the_bottom_counts_what_is_there(region):
    """Work follows the bottom, not the number in the file; alpha / local_size is 1 in both."""
    results = []
    for size in (2**32 - 1, 15):
        cells = size if region == "ACROSS_CHANNELS" else size**2
        layer = layer_from(lrn(f"local_size: {size} alpha: {cells} norm_region: {region}"), np.float32)
        bottom = blob_of(VALUES[:1], np.float32)
        top = run_forward(layer, bottom)
        top.diff[...] = VALUES[1:]
        run_backward(layer, [bottom], [top])
        results.append((top.data, bottom.diff))
    for far, near in zip(*results, strict=True):
        np.testing.assert_allclose(far, near, rtol=1e-4, atol=1e-6)
