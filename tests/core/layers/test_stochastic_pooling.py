import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import TEST, TRAIN
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.uniform(0.1, 1, (2, 3, 6, 5))
TEXT = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }'


def windows(values):
    """Each window of the two rightmost axes, kernel 3, stride 2, cut off at the end."""
    return [[values[..., h : h + 3, w : w + 3] for w in (0, 2)] for h in (0, 2, 4)]


def test_draws_a_pixel_of_each_window(dtype):
    values = VALUES.astype(dtype)
    top = run_forward(TEXT, blob_of(values, dtype))
    assert top.shape == (2, 3, 3, 2)
    for ph, row in enumerate(windows(values)):
        for pw, window in enumerate(row):
            assert (window == top.data[:, :, ph, pw, None, None]).any(axis=(2, 3)).all()
    assert top.data.mean() > 0.55


def test_draws_in_proportion_to_the_values():
    bottom = np.tile([[1.0, 2.0], [0.0, 5.0]], (100, 100, 1, 1))
    top = run_forward('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }', bottom)
    for value in (1, 2, 5):
        assert abs((top.data == value).mean() - value / 8) < 0.02


def test_draws_anew_in_each_pass_and_the_same_for_the_same():
    layer, bottom = layer_from(TEXT), blob_of(VALUES)
    first = run_forward(layer, bottom).data.copy()
    np.testing.assert_array_equal(run_forward(layer_from(TEXT), bottom).data, first)
    layer.context.passes = 1
    assert (run_forward(layer, bottom).data != first).any()


def test_takes_the_expected_value_in_the_test_phase(dtype):
    top = run_forward(layer_from(TEXT, dtype, TEST), blob_of(VALUES, dtype))
    for ph, row in enumerate(windows(VALUES)):
        for pw, window in enumerate(row):
            want = (window**2).sum(axis=(2, 3)) / window.sum(axis=(2, 3))
            np.testing.assert_allclose(top.data[:, :, ph, pw], want, rtol=1e-6)


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_a_window_of_zeros(phase):
    layer, bottom = layer_from(TEXT, phase=phase), blob_of(np.zeros((1, 1, 3, 3)))
    top = run_forward(layer, bottom)
    assert (top.data == 0).all()
    top.diff[...] = 1
    run_backward(layer, [bottom], [top])
    assert np.isfinite(bottom.diff).all()


def test_gradient_in_the_test_phase():
    check_gradient(layer_from(TEXT, phase=TEST), [VALUES], step=1e-4, threshold=1e-6)


def test_gradient_goes_to_the_pixel_that_was_drawn():
    layer, bottom = layer_from(TEXT), blob_of(VALUES)
    (top,) = set_up(layer, [bottom])
    layer.forward([bottom], [top])
    top.diff[...] = RNG.normal(size=top.shape)
    run_backward(layer, [bottom], [top])
    want = np.zeros_like(VALUES)
    for place, diff in zip(np.ndindex(top.shape), top.diff.flat, strict=True):
        want[place[:2]].flat[layer.drawn[place]] += diff
    np.testing.assert_allclose(bottom.diff, want)
    np.testing.assert_array_equal(VALUES.reshape(2, 3, 30)[0, 0][layer.drawn[0, 0]], top.data[0, 0])


def test_refuses_padding():
    with pytest.raises(LayerError, match=r"pooling_param\.pad is 1; padding is for MAX and AVE only"):
        run_forward('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 pad: 1 }', VALUES)
