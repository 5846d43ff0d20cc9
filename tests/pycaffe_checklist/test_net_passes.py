"""Net's passes forward and backward, and batches: sections 2.3 to 2.5 of pycaffe's specification."""

import numpy as np
import pytest

from caffelite.core.errors import CaffeliteError

DEPLOY = """name: 'deploy' input: 'data' input_shape { dim: 4 dim: 3 }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip'
  inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }
layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' }
"""

LINEAR = "force_backward: true " + DEPLOY.replace("layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }", "")

LOSS = """input: 'x' input_shape { dim: 2 dim: 3 } input: 't' input_shape { dim: 2 dim: 3 } force_backward: true
layer { name: 'loss' type: 'EuclideanLoss' bottom: 'x' bottom: 't' top: 'loss' loss_weight: 3 }
"""


# Forward and backward (sections 2.3, 2.4)


def test_forward_by_number_returns_the_weighted_loss(net_of):
    net = net_of(LOSS)
    net.blobs["x"].data[...] = [[1, 2, 3], [0, 0, 0]]
    loss = net._forward(0, len(net.layers) - 1)
    assert type(loss) is float and loss == pytest.approx(3 * 14 / 4)
    assert float(net.blobs["loss"].data) == pytest.approx(14 / 4)
    assert net._backward(len(net.layers) - 1, 0) is None
    np.testing.assert_allclose(net.blobs["x"].diff, 3 * net.blobs["x"].data / 2)


def test_the_diff_of_a_loss_is_its_weight_from_the_start_and_may_be_changed(net_of):
    net = net_of(LOSS)
    assert net.blobs["loss"].diff == 3
    net.blobs["x"].data[...] = 1
    net.blobs["loss"].diff[...] = 5
    net.forward()
    np.testing.assert_allclose(net.backward()["x"], np.full((2, 3), 5 / 2))


def test_scalar_outputs_are_arrays_without_axes(net_of):
    out = net_of(LOSS).forward()["loss"]
    assert (out.shape, out.dtype, 0 + out, f"{out:.3f}") == ((), np.float32, 0, "0.000")
    seen = np.ones(2)
    seen[1] = out
    assert seen.tolist() == [1, 0]


def test_results_are_views_that_the_next_pass_overwrites(net_of):
    net = net_of(DEPLOY)
    out = net.forward(data=np.ones((4, 3)))["prob"]
    before = out.copy()
    net.forward(data=np.full((4, 3), -5.0))
    assert np.shares_memory(out, net.blobs["prob"].data) and not np.array_equal(out, before)


def test_names_of_layers_and_blobs_are_checked(net_of):
    net = net_of(DEPLOY)
    for options in ({"start": "nope"}, {"end": "nope"}):
        with pytest.raises(ValueError, match="nope"):
            net.forward(**options)
        with pytest.raises(ValueError, match="nope"):
            net.backward(**options)
    for names in (("ip",), "ip"):
        with pytest.raises(TypeError):
            net.forward(blobs=names)
        with pytest.raises(TypeError):
            net.backward(diffs=names)
    with pytest.raises(KeyError):
        net.forward(["nope"])
    with pytest.raises(KeyError):
        net.backward(["nope"])
    assert set(net.forward(["data"])) == {"data", "prob"} and list(net.forward(start="prob", end="ip")) == ["ip"]


@pytest.mark.parametrize("arrays", [{"nope": np.ones((4, 3))}, {"data": np.ones((3, 3))}, {"data": np.float32(1)}])
def test_inputs_are_checked(net_of, arrays):
    with pytest.raises(CaffeliteError):
        net_of(DEPLOY).forward(**arrays)


def test_deep_dream(net_of):
    """Forward to a layer, set its diff, backward from there, read the input's diff."""
    net = net_of("force_backward: true " + DEPLOY)
    net.blobs["data"].data[...] = 1
    net.forward(end="ip")
    net.blobs["ip"].diff[:] = 1
    net.backward(start="ip")
    np.testing.assert_allclose(net.blobs["data"].diff[0], net.params["ip"][0].data.sum(0), rtol=1e-6)


def test_a_net_without_loss_runs_nothing_backward(net_of, caplog):
    net = net_of(DEPLOY)
    net.forward()
    net.blobs["prob"].diff[...] = 1
    net.backward()
    assert not net.blobs["data"].diff.any() and "runs no layer" in caplog.text


def test_callbacks_come_in_order_and_exceptions_come_through(net_of):
    net = net_of(DEPLOY)
    seen = []
    net.before_forward(lambda layer: seen.append(("first", layer)))
    net.before_forward(lambda layer: seen.append(("second", layer)))
    net.after_forward(lambda layer: seen.append(("after", layer)))
    net.forward(start="ip", end="relu")
    assert seen == [(what, layer) for layer in (1, 2) for what in ("first", "second", "after")]

    def fail(layer):
        raise LookupError(layer)

    net.before_backward(fail)
    with pytest.raises(LookupError, match="3"):
        net.backward()
    with pytest.raises(TypeError, match="a callback is a function, not 3"):
        net.before_forward(3)


# Batches (section 2.5)


@pytest.mark.parametrize("rows", [10, 4, 3])
def test_forward_all(net_of, rows):
    net = net_of(DEPLOY)
    values = np.random.default_rng(4).normal(size=(rows, 3))  # float64
    ip = np.maximum(values @ net.params["ip"][0].data.T, 0)
    out = net.forward_all(["ip"], data=values)
    assert set(out) == {"prob", "ip"} and out["prob"].shape == (rows, 2) and out["prob"].dtype == np.float32
    np.testing.assert_allclose(out["ip"], ip, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out["prob"], np.exp(ip) / np.exp(ip).sum(1, keepdims=True), rtol=1e-5)
    assert not np.shares_memory(out["prob"], net.blobs["prob"].data)


def test_forward_backward_all(net_of):
    net = net_of(LINEAR)
    rng = np.random.default_rng(5)
    values, gradients = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    outs, diffs = net.forward_backward_all(["ip"], ["ip"], data=values, prob=gradients)
    weights = net.params["ip"][0].data
    prob = np.exp(values @ weights.T) / np.exp(values @ weights.T).sum(1, keepdims=True)
    at_ip = prob * (gradients - (prob * gradients).sum(1, keepdims=True))
    assert (set(outs), set(diffs)) == ({"ip", "prob"}, {"ip", "data"})
    np.testing.assert_allclose(outs["prob"], prob, rtol=1e-5)
    np.testing.assert_allclose(diffs["ip"], at_ip, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(diffs["data"], at_ip @ weights, rtol=1e-4, atol=1e-6)


def test_forward_backward_all_with_what_is_filled_already(net_of):
    """Pycaffe raises StopIteration where the arrays of one direction are left out; meant is: use what is there."""
    net = net_of(LINEAR)
    net.blobs["prob"].diff[...] = [1, -1]
    outs, diffs = net.forward_backward_all(data=np.ones((4, 3)))
    assert outs["prob"].shape == (4, 2) and diffs["data"].shape == (4, 3) and diffs["data"].any()
    outs, diffs = net.forward_backward_all(prob=np.zeros((4, 2)))
    assert outs["prob"].shape == (4, 2) and not diffs["data"].any()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "give an array for each input"),
        ({"nope": np.ones((4, 3))}, "are not for blobs of one batch size"),
        ({"data": np.ones((0, 3))}, "the arrays must have rows"),
        ({"data": np.float32(3)}, "the arrays must have rows"),
    ],
)
def test_forward_all_refuses(net_of, arrays, message):
    with pytest.raises(CaffeliteError, match=message):
        net_of(DEPLOY).forward_all(**arrays)


def test_rows_of_a_loss_cannot_be_collected(net_of):
    net = net_of(LOSS)
    with pytest.raises(CaffeliteError, match=r'blob "loss" of shape \(\) has no row for each of the 2 of a batch'):
        net.forward_all(x=np.ones((4, 3)), t=np.ones((4, 3)))
    with pytest.raises(CaffeliteError, match="equally many; given: x 4, t 3"):
        net.forward_all(x=np.ones((4, 3)), t=np.ones((3, 3)))
    with pytest.raises(CaffeliteError, match=r"y: neither inputs \(x, t\) nor outputs \(loss\)"):
        net.forward_backward_all(y=np.ones((4, 3)))
