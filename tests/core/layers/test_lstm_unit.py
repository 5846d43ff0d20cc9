import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
UNIT = 'type: "LSTMUnit"'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("lstm_unit")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit(c_prev, gate_input, cont):
    i, f, o, g = np.split(gate_input, 4, axis=2)
    c = cont[..., None] * sigmoid(f) * c_prev + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


def bottoms(num=3, size=7, cont=(1, 0, 1)):
    return [RNG.uniform(-1, 1, (1, num, size)), RNG.uniform(-1, 1, (1, num, 4 * size)), np.array([cont], float)]


def run_streams_of_three(dtype):
    """Three streams that differ in cont alone: 1, 0, 0.5; returns bottoms and tops after a backward pass."""
    values = [np.full((1, 3, 1), 0.8), np.tile([0.2, -0.4, 0.6, 1], (1, 3, 1)), [[1, 0, 0.5]]]
    blobs = [blob_of(array, dtype) for array in values]
    layer = layer_from(UNIT, dtype)
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    top[0].diff[...], top[1].diff[...] = 0.5, 1
    run_backward(layer, blobs, top)
    return blobs, top


def test_values_and_gradients_of_one_cell(dtype):
    (c_prev, gate_input, _), (c, h) = run_streams_of_three(dtype)
    close = {"rtol": 1e-6 if dtype == np.float32 else 1e-8}
    np.testing.assert_allclose(c.data.ravel(), [0.739800231, 0.418750359, 0.579275295], **close)
    np.testing.assert_allclose(h.data.ravel(), [0.406133603, 0.255600582, 0.337122015], **close)
    np.testing.assert_allclose(c_prev.diff.ravel(), [0.357243566, 0, 0.194562628], **close)
    expected = [
        [0.167806889, 0.171101851, 0.143910881, 0.205558883],
        [0.196890066, 0, 0.0905704542, 0.241184984],
        [0.182782575, 0.124417949, 0.11945706, 0.223903691],
    ]
    np.testing.assert_allclose(gate_input.diff[0], expected, **close)


@pytest.mark.parametrize(("num", "size"), [(3, 7), (1, 1), (2, 64), (130, 100)])
def test_forward_of_many_streams(dtype, num, size):
    values = bottoms(num, size, RNG.choice([0, 1, 0.25], num))
    tops = run_forward(UNIT, *[blob_of(array, dtype) for array in values])
    for top, expected in zip(tops, unit(*values), strict=True):
        np.testing.assert_allclose(top.data, expected, atol=1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("cont", [(0, 0, 0), (1, 1, 1), (1, 0, 1)])
def test_gradient(cont):
    check_gradient(UNIT, bottoms(cont=cont), step=1e-4, threshold=1e-6)


def test_gradient_of_many_streams():
    values = [RNG.uniform(-1, 1, shape) for shape in ((1, 21000, 1), (1, 21000, 4))]
    values.append(RNG.choice([0.0, 1.0], (1, 21000)))
    blobs = [blob_of(array) for array in values]
    layer = layer_from(UNIT)
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    top[0].diff[...], top[1].diff[...] = 1, 2
    run_backward(layer, blobs, top)
    for index, blob in enumerate(blobs[:2]):
        step = np.zeros((2, *blob.shape))
        step[0, ..., 0], step[1, ..., 0] = 1e-5, -1e-5
        above, below = (unit(*[v + s if i == index else v for i, v in enumerate(values)]) for s in step)
        slopes = (above[0] - below[0] + 2 * (above[1] - below[1])) / 2e-5
        np.testing.assert_allclose(blob.diff[..., :1], slopes, atol=1e-8)


def test_a_new_stream_ignores_a_forget_gate_that_is_nan():
    c_prev, gate_input, cont = bottoms(1, 1, (0,))
    gate_input[0, 0, 1] = np.nan
    for top in run_forward(UNIT, c_prev, gate_input, cont):
        assert np.isfinite(top.data).all()


@pytest.mark.parametrize(("flags", "written"), [([False, False], False), ([True, False], True), ([False, True], True)])
def test_either_flag_writes_both_gradients(flags, written):
    blobs = [blob_of(array) for array in bottoms()]
    layer = layer_from(UNIT)
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    for blob in top:
        blob.diff[...] = 1
    for blob in blobs[:2]:
        blob.diff[...] = 1000
    run_backward(layer, blobs, top, [*flags, False])
    assert [(blob.diff != 1000).all() for blob in blobs[:2]] == [written, written]


def test_refuses_the_gradient_of_cont():
    blobs = [blob_of(array) for array in bottoms()]
    layer = layer_from(UNIT)
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    assert not layer.allow_force_backward(2)
    with pytest.raises(LayerError, match="Cannot backpropagate to sequence indicators"):
        run_backward(layer, blobs, top, [True, True, True])


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 3, 4), (2, 3, 16), (2, 3)], r"bottom\[0\] is 2 3 4 \(24\); the cells are one time step"),
        ([(3, 4), (1, 3, 16), (1, 3)], r"bottom\[0\] is 3 4"),
        ([(1, 3, 4), (1, 3, 12), (1, 3)], r"bottom\[1\] is 1 3 12 \(36\); cells of shape .* need 1 3 16 \(48\)"),
        ([(1, 3, 4), (1, 2, 16), (1, 3)], r"bottom\[1\] is 1 2 16"),
        ([(1, 3, 4), (1, 3, 16), (1, 3, 1)], r"bottom\[2\] is 1 3 1 \(3\); .* need 1 3 \(3\)"),
    ],
)
def test_refusals(shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(UNIT, *map(np.ones, shapes))
