"""RNN's values and gradients; what it shares with LSTM is in test_recurrent.py."""

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, set_up

RNG = np.random.default_rng(1)
CLOSE = {"rtol": 3e-8, "atol": 1e-10}  # to the digits that are written here


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("rnn")


class OneOutput:
    """An RNN of one output reading one number a step, T = 2, with weights set by hand and dy = 1."""

    def __init__(self, fields="", states=(), top_count=None):
        self.bottom = [blob_of(np.reshape([1.0, -2], (2, 1, 1))), blob_of([[0], [1]])]
        self.bottom += [blob_of(np.full((1, 1, 1), value)) for value in states]
        self.layer = layer_from(f'type: "RNN" recurrent_param {{ num_output: 1 {fields} }}')
        self.top = set_up(self.layer, self.bottom, top_count)
        for blob, value in zip(self.layer.blobs, (0.5, 0.1, 0.8, 2, -0.3), strict=True):
            blob.data[...] = value

    def forward(self, *cont):
        self.bottom[1].data[:, 0] = cont
        self.layer.forward(self.bottom, self.top)
        return self.top[0].data.ravel()

    def backward(self, clear=True):
        for blob in self.layer.blobs:
            blob.diff[...] *= not clear
        self.top[0].diff[...] = 1
        run_backward(self.layer, self.bottom, self.top)
        return self.bottom[0].diff.ravel().copy(), np.array([blob.diff.item() for blob in self.layer.blobs])


# cont, o, h after the last step; dx; W_xh, b_h, W_hh, W_ho, b_o
CALLS = [
    (
        (0, 1),
        ([0.649306707, -0.826497218], -0.438490422),
        [0.557291374, 0.255970314],
        [0.0907014918, 1.62652338, 0.274937493, 0.171671255, 0.895303149],
    ),
    (
        (1, 1),
        ([0.186151382, -0.907758308], -0.607317987),
        [0.991350554, 0.111069145],
        [1.53842453, 2.2048394, -0.815155116, 0.128839825, 1.14132252],
    ),
    (
        (1, 0),
        ([-0.0725673405, -0.939361936], -0.71629787),
        [0.981885125, 0.0572610695],
        [1.73472597, 2.07829239, -1.192633, 0.0288179, 1.11233314],
    ),
]


def test_three_calls_in_sequence():
    one = OneOutput()
    for cont, (o, h), x_diff, param_diffs in CALLS:
        np.testing.assert_allclose(one.forward(*cont), o, **CLOSE)
        np.testing.assert_allclose(one.layer.get_state()["h"], [h], **CLOSE)
        computed = one.backward()
        np.testing.assert_allclose(computed[0], x_diff, **CLOSE)
        np.testing.assert_allclose(computed[1], param_diffs, rtol=1e-6)


def test_reset_begins_with_zeros_and_backward_twice_adds_to_parameters_alone():
    one = OneOutput()
    one.forward(0, 1)
    one.layer.reset()
    np.testing.assert_allclose(one.forward(1, 1), CALLS[0][1][0], **CLOSE)
    (x_diff, param_diffs), (x_diff_again, doubled) = one.backward(), one.backward(clear=False)
    np.testing.assert_array_equal(x_diff_again, x_diff)
    np.testing.assert_allclose(doubled, 2 * param_diffs)


def test_a_cont_of_one_half():
    one = OneOutput()
    np.testing.assert_allclose(one.forward(1, 0.5), [0.649306707, -0.903279369], **CLOSE)
    x_diff, param_diffs = one.backward()
    np.testing.assert_allclose(x_diff, [0.445431797, 0.1189422], rtol=2e-7)
    np.testing.assert_allclose(param_diffs[2], 0.0638778572, **CLOSE)


def test_exposed_state_is_read_and_given_each_time():
    one = OneOutput("expose_hidden: true", states=(0.3,), top_count=2)
    for _ in range(2):
        np.testing.assert_allclose(one.forward(1, 1), [0.790070073, -0.750958427], **CLOSE)
        np.testing.assert_allclose(one.top[1].data, [[[-0.337574687]]], **CLOSE)
    one.bottom[2].diff[...] = 1000
    one.backward()
    assert one.bottom[2].diff.item() == 1000


def test_refuses_an_exposed_state_without_a_time_axis():
    one = OneOutput("expose_hidden: true", states=(0.3,), top_count=2)
    one.bottom[2].reshape(1, 1)
    with pytest.raises(LayerError, match=r"bottom\[2\] is 1 1 \(1\); bottom\[2\] shape must match .*: 1 1 1 \(1\)"):
        one.layer.reshape(one.bottom, one.top)


def test_streams_come_and_go():
    layer = layer_from('type: "RNN" recurrent_param { num_output: 1 }')
    bottom = [blob_of(np.reshape([1, 2, 3], (1, 3, 1))), blob_of(np.ones((1, 3)))]
    top = set_up(layer, bottom)
    for index, value in enumerate((1, 0, 1, 1, 0)):
        layer.blobs[index].data[...] = value

    def outputs():
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        return top[0].data.ravel()

    np.testing.assert_allclose(outputs(), [0.642014992, 0.746067998, 0.759509445], **CLOSE)
    for expected in (
        [0.566269976, 0.632797315],
        [0.512614667, 0.559975377, 0.640787923],  # the third stream goes on from the first call
        [0, 0, 0, 0],
    ):
        bottom[0].reshape(1, len(expected), 1)
        bottom[1].reshape(1, len(expected))
        bottom[0].data[...], bottom[1].data[...] = 0, 1
        np.testing.assert_allclose(outputs(), expected, **CLOSE)


def sequence(count, factor, modulus):
    return 0.1 * (factor * np.arange(count) % modulus - (modulus - 1) / 2)


def test_static_input():
    bottom = [blob_of(sequence(12, 3, 5).reshape(3, 2, 1, 2)), blob_of([[0, 0], [1, 0], [1, 1]])]
    bottom.append(blob_of(sequence(4, 2, 3).reshape(2, 2)))
    layer = layer_from('type: "RNN" recurrent_param { num_output: 2 }')
    top = set_up(layer, bottom)
    for index, blob in enumerate(layer.blobs):
        blob.data[...] = sequence(blob.count, index + 2, 7).reshape(blob.shape)
    layer.forward(bottom, top)
    expected = """-.219301821 -.324257414 -.200841159 -.341035125 -.253441829 -.324143183 -.213119842 -.351980063
        -.196842094 -.333948892 -.244332151 -.322424467"""
    np.testing.assert_allclose(top[0].data.ravel(), np.array(expected.split(), float), **CLOSE)
    top[0].diff[...] = 5 * sequence(12, 2, 7).reshape(top[0].shape)
    run_backward(layer, bottom, top)
    expected = [
        (bottom[0], """-.117890222 -.14240672 -.00563765041 .071788777 -.0847183249 -.0862236587 .0978893766
            .0249873395 -.0747744058 -.0514130162 .208787782 .15853732"""),
        (bottom[2], "-.066352741 -.0716736251 .126701707 .0352495647"),
        (layer.blobs[0], ".0626952552 -.018292558 -.0397311383 .096291858"),
        (layer.blobs[1], "-.11962453 -.122308037"),
        (layer.blobs[2], "-.069013183 .149988819 .070343404 -.128456004"),
        (layer.blobs[3], ".106864004 .0273854132 -.0447088946 -.0212188836"),
        (layer.blobs[4], "-.104054586 -.101549609 .158418487 .101011784"),
        (layer.blobs[5], ".000610146356 -.887854447"),
    ]  # fmt: skip
    for blob, text in expected:
        np.testing.assert_allclose(blob.diff.ravel(), np.array(text.split(), float), **CLOSE)


def plain_rnn(x, cont, blobs, h, static=None):
    """o of all steps, one stream and one step after the other; also the last h."""
    w_x, b_h, *w_static, w_h, w_o, b_o = blobs
    h, outputs = h.copy(), np.empty((*x.shape[:2], h.shape[1]))
    for t, n in np.ndindex(cont.shape):
        total = w_x @ x[t, n].ravel() + b_h + w_h @ (cont[t, n] * h[n])
        if static is not None:
            total += w_static[0] @ static[n].ravel()
        h[n] = np.tanh(total)
        outputs[t, n] = np.tanh(w_o @ h[n] + b_o)
    return outputs, h


@pytest.mark.parametrize(("steps", "streams", "size"), [(4, 3, 5), (1, 1, 1), (3, 20, 128)])
@pytest.mark.parametrize("with_static", [False, True])
def test_forward_over_batches(dtype, steps, streams, size, with_static):
    text = f"""type: "RNN" recurrent_param {{ num_output: {size} weight_filler {{ type: "gaussian" std: 0.1 }}
        bias_filler {{ type: "uniform" min: -1 max: 1 }} }}"""
    static = RNG.normal(size=(streams, 2, 2)) if with_static else None
    bottom = [blob_of(np.zeros((steps, streams, 3, 2)), dtype), blob_of(np.zeros((steps, streams)), dtype)]
    bottom += [blob_of(static, dtype)] if with_static else []
    layer = layer_from(text, dtype)
    top = set_up(layer, bottom)
    h = np.zeros((streams, size))
    for _ in range(3):
        bottom[0].data[...] = RNG.normal(size=bottom[0].shape)
        bottom[1].data[...] = RNG.random((steps, streams)) < 0.8
        layer.forward(bottom, top)
        values = [blob.data.astype(np.float64) for blob in (*bottom[:2], *layer.blobs)]
        expected, h = plain_rnn(values[0], values[1], values[2:], h, static)
        np.testing.assert_allclose(top[0].data, expected, atol=3e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("cont", [[[0, 0], [0, 1]], [[1, 1], [1, 1]], [[1, 0], [0, 1]]])
@pytest.mark.parametrize("expose", [False, True])
@pytest.mark.parametrize("with_static", [False, True])
def test_gradient(cont, expose, with_static):
    text = f"""type: "RNN" recurrent_param {{ num_output: 3 weight_filler {{ type: "gaussian" std: 0.5 }}
        bias_filler {{ type: "gaussian" std: 0.3 }} expose_hidden: {str(expose).lower()} }}"""
    bottom = [RNG.normal(size=(2, 2, 2)), np.array(cont, float)]
    if with_static:
        bottom.append(RNG.normal(size=(2, 3)))
    if expose:
        bottom.append(RNG.normal(size=(1, 2, 3)))
    checked = [0, 2] if with_static else [0]
    check_gradient(text, bottom, check_bottom=checked, check_top=[0], step=1e-4, threshold=1e-6)
