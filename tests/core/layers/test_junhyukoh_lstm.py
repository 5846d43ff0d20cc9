import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

FILLERS = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'
RNG = np.random.default_rng(1)


def lstm(fields="num_output: 4"):
    return f'type: "Lstm" lstm_param {{ {fields} {FILLERS} }}'


def normal(*shape):
    return np.random.default_rng(1701).standard_normal(shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stepped(x, blobs, cont=None, h=0.0, c=0.0):
    """h of all steps, and the last c, one stream and one step at a time; x (T, N, D)."""
    weight, hidden_weight, bias = (blob.data.astype(np.float64) for blob in blobs)
    size = hidden_weight.shape[1]
    found, cells = np.zeros((*x.shape[:2], size)), np.zeros((x.shape[1], size))
    for n in range(x.shape[1]):
        hidden, cell = np.zeros(size) + h, np.zeros(size) + c
        for t in range(len(x)):
            if cont is not None and not cont[t, n]:
                hidden, cell = np.zeros(size), np.zeros(size)
            i, f, o, g = np.split(weight @ x[t, n] + hidden_weight @ hidden + bias, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            found[t, n] = hidden
        cells[n] = cell
    return found, cells


@pytest.mark.parametrize(
    ("fields", "shape", "top_shape"),
    [
        ("num_output: 4", (5, 3, 2), (5, 3, 4)),
        ("num_output: 4 batch_size: 3", (5, 3, 2), (5, 3, 4)),
        ("num_output: 4 batch_size: 3", (15, 2), (15, 4)),
        ("num_output: 4 batch_size: 3", (15, 2, 1, 1), (15, 4)),
        ("num_output: 4 batch_size: 5", (15, 2, 1), (15, 4)),
        ("num_output: 4", (15, 2), (15, 4)),
    ],
)
def test_values_are_those_of_the_definition(fields, shape, top_shape, dtype):
    layer, x = layer_from(lstm(fields), dtype), normal(*shape)
    top = run_forward(layer, blob_of(x, dtype))
    streams = 3 if shape[0] == 5 else layer.layer_param.lstm_param.batch_size
    assert [blob.shape for blob in layer.blobs] == [(16, 2), (16, 4), (16,)]
    assert top.shape == top_shape
    wanted, _ = stepped(x.reshape(-1, streams, 2), layer.blobs)
    np.testing.assert_allclose(top.data.reshape(wanted.shape), wanted, atol=1e-6 if dtype == np.float32 else 1e-13)


def test_without_a_second_bottom_each_pass_begins_with_zeros():
    layer, bottom = layer_from(lstm()), blob_of(normal(4, 2, 3))
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    first = top[0].data.copy()
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, first)


def test_sequences_begin_and_go_on_as_the_second_bottom_says(dtype):
    layer, x, cont = layer_from(lstm(), dtype), normal(4, 2, 3), np.array([[1, 0], [1, 1], [0, 1], [1, 1]])
    bottoms = [blob_of(x, dtype), blob_of(cont.reshape(8, 1), dtype)]
    top = set_up(layer, bottoms)
    close = {"atol": 1e-6 if dtype == np.float32 else 1e-13}
    layer.forward(bottoms, top)
    wanted, cells = stepped(x, layer.blobs, cont)
    np.testing.assert_allclose(top[0].data, wanted, **close)
    np.testing.assert_allclose(layer.get_state()["c"], cells, **close)
    other = layer_from(lstm(), dtype)
    set_up(other, bottoms)
    other.set_state(layer.get_state())
    for one in (layer, other):  # stream 0 goes on from the last pass
        one.forward(bottoms, top)
        again, _ = stepped(x[:, :1], layer.blobs, cont[:, :1], wanted[-1, 0], cells[0])
        np.testing.assert_allclose(top[0].data[:, :1], again, **close)
        np.testing.assert_allclose(top[0].data[:, 1:], wanted[:, 1:], **close)
    assert abs(again - wanted[:, :1]).max() > 1e-3


@pytest.mark.parametrize("cont", [None, [[0, 0], [1, 0], [1, 1]]])
def test_gradient(cont):
    bottoms = [normal(3, 2, 2)] if cont is None else [normal(3, 2, 2), cont]
    check_gradient(lstm("num_output: 3"), bottoms, step=1e-4, threshold=1e-6)


def test_gradients_of_the_gates_are_clipped_at_each_step():
    """One cell, two steps: the second step's gradients are bounded before they reach the first."""
    x, bound = normal(2, 1, 1), 2**-6
    found = []
    for fields in ("num_output: 1", f"num_output: 1 clipping_threshold: {bound}"):
        layer, bottom = layer_from(lstm(fields)), blob_of(x)
        top = set_up(layer, [bottom])
        layer.forward([bottom], top)
        top[0].diff[...] = 1
        run_backward(layer, [bottom], top)
        found.append([blob.diff.copy() for blob in (bottom, *layer.blobs)])
    (i, f, o, g), tanh_c = np.split(layer.gate[:, 0], 4, axis=1), layer.tanh_cells[:, 0]
    weight, hidden_weight = layer.blobs[0].data[:, 0], layer.blobs[1].data[:, 0]

    def of_gates(t, h_diff, c_diff):
        whole = c_diff + h_diff * o[t] * (1 - tanh_c[t] ** 2)
        diffs = [whole * g[t] * i[t] * (1 - i[t]), whole * layer.cells[t, 0] * f[t] * (1 - f[t])]
        diffs += [h_diff * tanh_c[t] * o[t] * (1 - o[t]), whole * i[t] * (1 - g[t] ** 2)]
        return np.clip(np.concatenate(diffs), -bound, bound), whole * f[t]

    last, c_diff = of_gates(1, 1.0, 0.0)
    first, _ = of_gates(0, 1 + last @ hidden_weight, c_diff)
    np.testing.assert_allclose(found[1][0].ravel(), [first @ weight, last @ weight], rtol=1e-10)
    np.testing.assert_allclose(found[1][3], first + last, rtol=1e-10)
    assert abs(found[0][3] - found[1][3]).max() > 1e-3


def test_other_sizes_and_an_empty_batch(dtype):
    layer, bottom = layer_from(lstm(), dtype), blob_of(normal(4, 2, 3), dtype)
    top = set_up(layer, [bottom])
    for shape in ((4, 2, 3), (0, 2, 3), (2, 5, 3), (6, 1, 3)):
        bottom.reshape(*shape)
        bottom.data[...] = normal(*shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        run_backward(layer, [bottom], top)
        np.testing.assert_allclose(top[0].data, stepped(bottom.data, layer.blobs)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "shapes", "message"),
    [
        ("num_output: 0", [(2, 2, 2)], r"lstm_param\.num_output is 0; use 1 or more"),
        ("num_output: 2 batch_size: 0", [(2, 2)], r"lstm_param\.batch_size is 0; use 1 or more"),
        ("num_output: 2 clipping_threshold: -1", [(2, 2)], r"clipping_threshold is -1; use 0 for none"),
        ("num_output: 2", [(3,)], r"bottom\[0\] is 3 \(3\); use \(T, N, D\)"),
        (
            "num_output: 2 batch_size: 2",
            [(3, 4)],
            r"bottom\[0\] is 3 4 \(12\); .* a multiple of lstm_param\.batch_size, 2",
        ),
        ("num_output: 2", [(3, 4, 5), (3, 3)], r"bottom\[1\] is 3 3 \(9\); use one number for each .* 3 x 4"),
    ],
)
def test_refusals(fields, shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(lstm(fields), *map(np.ones, shapes))


def test_refuses_rows_of_another_size_and_the_gradient_of_the_beginnings():
    layer, bottoms = layer_from(lstm()), [blob_of(normal(4, 2, 3)), blob_of(np.ones((4, 2)))]
    top = set_up(layer, bottoms)
    layer.forward(bottoms, top)
    with pytest.raises(LayerError, match=r"propagate_down\[1\] is true; there is no gradient of it"):
        run_backward(layer, bottoms, top, [True, True])
    bottoms[0].reshape(4, 2, 5)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 4 2 5 \(40\); the weights are for rows of 3 values"):
        layer.reshape(bottoms, top)
