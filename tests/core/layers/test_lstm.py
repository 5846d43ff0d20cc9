"""LSTM's values and gradients; what it shares with RNN is in test_recurrent.py."""

import numpy as np
import pytest

from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, set_up

RNG = np.random.default_rng(1)
ONE_CELL = 'type: "LSTM" recurrent_param { num_output: 1 }'
ONE_CELL_BLOBS = [[[0.5], [-0.4], [0.3], [0.2]], [0.1, 0.2, -0.1, 0.05], [[0.7], [0.6], [-0.5], [0.9]]]
CLOSE = {"rtol": 3e-8, "atol": 1e-10}  # to the digits that are written here


@pytest.mark.parametrize("name", ["lstm", "lstm_hidden"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


class OneCell:
    """An LSTM of one cell reading one number a step, T = 2, with weights set by hand and dy = 1."""

    def __init__(self, text=ONE_CELL, states=(), top_count=None):
        self.bottom = [blob_of(np.reshape([1.0, -2], (2, 1, 1))), blob_of([[0], [1]])]
        self.bottom += [blob_of(np.full((1, 1, 1), value)) for value in states]
        self.layer = layer_from(text)
        self.top = set_up(self.layer, self.bottom, top_count)
        for blob, values in zip(self.layer.blobs, ONE_CELL_BLOBS, strict=True):
            blob.data[...] = values

    def forward(self, *cont):
        self.bottom[1].data[:, 0] = cont
        self.layer.forward(self.bottom, self.top)
        return self.top[0].data.ravel()

    def backward(self):
        for blob in self.layer.blobs:
            blob.diff[...] = 0
        self.top[0].diff[...] = 1
        run_backward(self.layer, self.bottom, self.top)
        return [self.bottom[0].diff.ravel(), *(self.layer.blobs[i].diff.ravel() for i in (0, 1, 2))]


# cont, h, c after the last step; dx, W_xc, b_c, W_hc
CALLS = [
    (
        (0, 1),
        ([0.0862294928, 0.0119239157], 0.0370105284),
        [0.133871841, 0.00754949273],
        [0.0815841327, -0.0195321484, 0.0253892757, 0.312755736],
        [0.0275086678, 0.00976607421, 0.0496309513, 0.583420721],
        [-0.00155429997, 0.000842123626, 0.000696782465, 0.00777976813],
    ),
    (
        (1, 1),
        ([0.0986297481, 0.0184386337], 0.0575098060),
        [0.132293, 0.00881909129],
        [0.0814084734, -0.0148605704, 0.0226222275, 0.306098422],
        [0.0295896252, 0.0185037229, 0.0601833504, 0.578318814],
        [-0.00114484126, 0.00118492977, 0.00180321067, 0.0147635234],
    ),
    (
        (1, 0),
        ([0.105427556, -0.0321606625], -0.097229518),
        [0.0907099427, -0.000955518598],
        [0.0767408565, 0.00751328403, 0.0906793119, 0.150260359],
        [0.00857744067, 0.00751328403, 0.0262112277, 0.403038245],
        [0.00057710304, 0.000138534692, 0.00087953369, 0.0058778483],
    ),
]


def test_three_calls_in_sequence():
    cell = OneCell()
    for cont, (h, c), *gradients in CALLS:
        np.testing.assert_allclose(cell.forward(*cont), h, **CLOSE)
        np.testing.assert_allclose(cell.layer.get_state()["c"], [c], **CLOSE)
        for computed, expected in zip(cell.backward(), gradients, strict=True):
            np.testing.assert_allclose(computed, expected, **CLOSE)


def test_reset_then_a_cont_of_one_half():
    cell = OneCell()
    cell.forward(0, 1)
    cell.layer.reset()
    np.testing.assert_allclose(cell.forward(1, 0.5), [0.0862294928, -0.0100816943], **CLOSE)
    x_diff, _, bias_diff, _ = cell.backward()
    np.testing.assert_allclose(x_diff, [0.11318835, 0.000449139935], **CLOSE)
    np.testing.assert_allclose(bias_diff, [0.0174181981, 0.0120176004, 0.0334924973, 0.498438412], **CLOSE)


def test_nan_survives_the_beginning_of_a_sequence_until_reset():
    cell = OneCell()
    cell.bottom[0].data[0] = np.nan
    cell.forward(0, 1)
    cell.bottom[0].data[0] = 1
    assert np.isnan(cell.forward(0, 1)).all()
    cell.layer.reset()
    np.testing.assert_allclose(cell.forward(0, 1), CALLS[0][1][0], **CLOSE)


def test_exposed_states_are_read_and_given_but_get_no_gradient():
    text = 'type: "LSTM" recurrent_param { num_output: 1 expose_hidden: true } loss_weight: 1 loss_weight: 5'
    cell = OneCell(text + " loss_weight: 7", states=(0.3, -0.2), top_count=3)
    for _ in range(2):  # nothing is carried over
        h = cell.forward(1, 1).copy()
        np.testing.assert_allclose(h, [0.116626816, 0.031454414], **CLOSE)
        final = [blob.data.item() for blob in cell.top[1:]]
        np.testing.assert_allclose(final, [0.031454414, 0.0989206963], **CLOSE)
    np.testing.assert_allclose(h.sum() + 5 * final[0] + 7 * final[1], 0.997798173, **CLOSE)
    for blob in cell.bottom[2:]:
        blob.diff[...] = 1000
    x_diff, _, _, hidden_diff = cell.backward()
    np.testing.assert_allclose(x_diff, [0.152303071, 0.0110238686], **CLOSE)
    np.testing.assert_allclose(hidden_diff, [0.0211582369, -0.00969203076, 0.0207209973, 0.13152185], **CLOSE)
    assert [blob.diff.item() for blob in cell.bottom[2:]] == [1000, 1000]
    assert cell.layer.get_state() == {}


def test_the_loss_of_a_net_counts_all_weighted_tops():
    inputs = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'
        for name, dims in {"x": "dim: 2 dim: 1 dim: 1", "cont": "dim: 2 dim: 1"}.items()
    )
    layer = """layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h" loss_weight: 3
        recurrent_param { num_output: 1 } }"""
    net = net_from(inputs + layer)
    for blob, values in zip(net.params["lstm"], ONE_CELL_BLOBS, strict=True):
        blob.data[...] = values
    net.blobs["x"].data[:, 0, 0] = 1, -2
    net.blobs["cont"].data[:, 0] = 0, 1
    np.testing.assert_allclose(net.forward_pass(), 3 * sum(CALLS[0][1][0]), rtol=1e-6)
    net.backward_pass()
    np.testing.assert_allclose(net.params["lstm"][0].diff.ravel(), 3 * np.array(CALLS[0][3]), rtol=1e-5)


def net_from(text, phase=caffe_pb2.TRAIN):
    from google.protobuf import text_format

    return Net(text_format.Parse(text, caffe_pb2.NetParameter()), phase)


def test_an_in_place_layer_on_the_top_leaves_the_state_alone():
    net = net_from("""
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 1 } } }
        layer { name: "cont" type: "Input" top: "cont" input_param { shape { dim: 1 dim: 1 } } }
        layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h" recurrent_param { num_output: 1 } }
        layer { name: "relu" type: "ReLU" bottom: "h" top: "h" relu_param { negative_slope: -3 } }""")
    for blob, values in zip(net.params["lstm"], ONE_CELL_BLOBS, strict=True):
        blob.data[...] = values
    net.params["lstm"][0].data[3] *= -5  # so that h is negative
    alone = OneCell()
    alone.layer.blobs[0].data[3] *= -5
    alone.bottom[0].data[...] = 1
    expected = alone.forward(0, 1)
    assert (expected < 0).all()
    for cont, h in zip((0, 1), expected, strict=True):
        outputs = net.forward(x=np.ones((1, 1, 1)), cont=np.full((1, 1), cont))
        np.testing.assert_allclose(outputs["h"].item(), -3 * h, rtol=1e-6)


def test_one_step_at_a_time_carries_h_and_c():
    cell = OneCell()
    bottom = [blob_of(np.ones((1, 1, 1))), blob_of(np.ones((1, 1)))]
    layer = layer_from(ONE_CELL)
    top = set_up(layer, bottom)
    for blob, values in zip(layer.blobs, ONE_CELL_BLOBS, strict=True):
        blob.data[...] = values
    outputs = []
    for _ in range(2):
        layer.forward(bottom, top)
        outputs.append(top[0].data.item())
    np.testing.assert_allclose(outputs, [0.0862294928, 0.148037509], **CLOSE)
    cell.bottom[0].data[...] = 1
    np.testing.assert_allclose(cell.forward(0, 1), outputs)


def sequence(count, factor, modulus):
    return 0.1 * (factor * np.arange(count) % modulus - (modulus - 1) / 2)


def test_static_input():
    bottom = [blob_of(sequence(12, 3, 5).reshape(3, 2, 1, 2)), blob_of([[0, 0], [1, 0], [1, 1]])]
    bottom.append(blob_of(sequence(4, 2, 3).reshape(2, 2)))
    layer = layer_from('type: "LSTM" recurrent_param { num_output: 2 }')
    top = set_up(layer, bottom)
    for index, blob in enumerate(layer.blobs):
        blob.data[...] = sequence(blob.count, index + 2, 7).reshape(blob.shape)
    layer.forward(bottom, top)
    expected = """.0220825624 -.0447121357 .0332374484 -.0638997261 .0212595779 -.0780215728 .0183510678 -.0720003753
        .0300171164 -.112829575 .0418650945 -.0883403851"""
    np.testing.assert_allclose(top[0].data.ravel(), np.array(expected.split(), float), **CLOSE)
    top[0].diff[...] = 5 * sequence(12, 2, 7).reshape(top[0].shape)
    run_backward(layer, bottom, top)
    expected = """.0343463685 -.104633893 -.113501803 -.00965544587 -.0131897301 -.0685534787 .13709969 .137522478
        -.0394370082 -.0283286359 .0659426284 .0836335353"""
    np.testing.assert_allclose(bottom[0].diff.ravel(), np.array(expected.split(), float), **CLOSE)
    static_diff = [-0.310646284, 0.0102562609, 0.350279403, -0.0297538155]
    np.testing.assert_allclose(bottom[2].diff.ravel(), static_diff, **CLOSE)
    bias_diff = """.0171993726 .0356846067 -.00267291132 .00359723175 .0111752047 .036418288 -.061760396 -.205965005"""
    w_xc, b_c, w_static, w_hc = (blob.diff.ravel() for blob in layer.blobs)
    np.testing.assert_allclose(b_c, np.array(bias_diff.split(), float), **CLOSE)
    np.testing.assert_allclose(w_xc[:2], [0.000431565215, 0.000927029729], **CLOSE)
    np.testing.assert_allclose(w_static[:2], [0.00396799342, -0.0096559241], **CLOSE)
    np.testing.assert_allclose(w_hc[:2], [0.000233034097, -0.00121077953], **CLOSE)
    np.testing.assert_allclose(w_hc[-2:], [-0.000230971308, 0.00364975039], **CLOSE)


def plain_lstm(x, cont, blobs, h, c, static=None):
    """h of all steps, one stream and one step after the other; also the last h and c."""
    w_x, bias, *w_static, w_h = blobs
    h, c, outputs = h.copy(), c.copy(), np.empty((*x.shape[:2], h.shape[1]))
    for t, n in np.ndindex(cont.shape):
        h[n], c[n] = cont[t, n] * h[n], cont[t, n] * c[n]
        z = w_x @ x[t, n].ravel() + bias + w_h @ h[n]
        if static is not None:
            z += w_static[0] @ static[n].ravel()
        i, f, o, g = np.split(z, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c[n] = f * c[n] + i * np.tanh(g)
        h[n] = outputs[t, n] = o * np.tanh(c[n])
    return outputs, h, c


@pytest.mark.parametrize(("steps", "streams", "size"), [(4, 3, 5), (1, 1, 1), (7, 2, 33), (3, 20, 128)])
@pytest.mark.parametrize("with_static", [False, True])
def test_forward_over_batches(dtype, steps, streams, size, with_static):
    text = f"""type: "LSTM" recurrent_param {{ num_output: {size} weight_filler {{ type: "gaussian" std: 0.2 }}
        bias_filler {{ type: "uniform" min: -1 max: 1 }} }}"""
    static = RNG.normal(size=(streams, 2, 2)) if with_static else None
    bottom = [blob_of(np.zeros((steps, streams, 3, 2)), dtype), blob_of(np.zeros((steps, streams)), dtype)]
    bottom += [blob_of(static, dtype)] if with_static else []
    layer = layer_from(text, dtype)
    top = set_up(layer, bottom)
    h = c = np.zeros((streams, size))
    for _ in range(3):
        bottom[0].data[...] = RNG.normal(size=bottom[0].shape)
        bottom[1].data[...] = RNG.random((steps, streams)) < 0.8
        layer.forward(bottom, top)
        values = [blob.data.astype(np.float64) for blob in (*bottom[:2], *layer.blobs)]
        expected, h, c = plain_lstm(values[0], values[1], values[2:], h, c, static)
        np.testing.assert_allclose(top[0].data, expected, atol=3e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("cont", [[[0, 0], [0, 1]], [[1, 1], [1, 1]], [[1, 0], [0, 1]]])
@pytest.mark.parametrize("expose", [False, True])
@pytest.mark.parametrize("with_static", [False, True])
def test_gradient(cont, expose, with_static):
    text = f"""type: "LSTM" recurrent_param {{ num_output: 3 weight_filler {{ type: "gaussian" std: 0.5 }}
        bias_filler {{ type: "gaussian" std: 0.3 }} expose_hidden: {str(expose).lower()} }}"""
    bottom = [RNG.normal(size=(2, 2, 2)), np.array(cont, float)]
    if with_static:
        bottom.append(RNG.normal(size=(2, 3)))
    if expose:
        bottom += [RNG.normal(size=(1, 2, 3)) for _ in range(2)]
    checked = [0, 2] if with_static else [0]
    check_gradient(text, bottom, check_bottom=checked, check_top=[0], step=1e-4, threshold=1e-6)
