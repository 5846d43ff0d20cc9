import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError
from caffelite.proto import caffe_pb2
from caffelite.proto.caffe_pb2 import TEST, TRAIN
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

GLOBAL, BATCH = (f'type: "BatchNorm" batch_norm_param {{ use_global_stats: {flag} }}' for flag in ("true", "false"))


@pytest.mark.parametrize("name", ["batchnorm_train", "batchnorm_test", "batchnorm_global"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("shape", [(5, 2, 3, 4), (7, 6), (3, 300, 1), (3, 2, 91, 91), (2, 1, 5)])
def test_channels_get_mean_0_and_variance_1(dtype, shape):
    values = np.random.default_rng(1).normal(5, 3, shape)
    top = run_forward('type: "BatchNorm"', blob_of(values, dtype))
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(top.data.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose((top.data**2).mean(axes), 1, rtol=1e-3)


def test_running_sums_and_their_use_in_test(dtype):
    layer, bottom = layer_from('type: "BatchNorm"', dtype), blob_of(np.reshape([1, 2, 3, 4], (2, 1, 1, 2)), dtype)
    (top,) = set_up(layer, [bottom])
    layer.forward([bottom], [top])
    np.testing.assert_allclose(top.data.ravel(), [-1.3416354, -0.4472118, 0.4472118, 1.3416354], rtol=1e-6)
    np.testing.assert_allclose([blob.data[0] for blob in layer.blobs], [2.5, 5 / 3, 1], rtol=1e-6)
    layer.forward([bottom], [top])
    np.testing.assert_allclose([blob.data[0] for blob in layer.blobs], [4.9975, 3.3316667, 1.999], rtol=1e-6)
    tester = layer_from('type: "BatchNorm"', dtype, TEST)
    tester.blobs = layer.blobs
    top = run_forward(tester, bottom)
    np.testing.assert_allclose(top.data.ravel(), [-1.1618915, -0.3872972, 0.3872972, 1.1618915], rtol=1e-5)


def test_a_single_value_a_channel_counts_its_variance_once(dtype):
    layer = layer_from('type: "BatchNorm"', dtype)
    np.testing.assert_array_equal(run_forward(layer, blob_of([[3, 4]], dtype)).data, [[0, 0]])
    np.testing.assert_array_equal(layer.blobs[0].data, [3, 4])
    np.testing.assert_array_equal(layer.blobs[1].data, [0, 0])


def test_an_empty_batch_leaves_the_running_sums():
    layer, bottom = layer_from('type: "BatchNorm"'), blob_of(np.ones((2, 3)))
    top = set_up(layer, [bottom])
    bottom.reshape(0, 3)
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    run_backward(layer, [bottom], top)
    assert not any(blob.data.any() for blob in layer.blobs)


def test_untrained_statistics_are_0(dtype):
    layer = layer_from('type: "BatchNorm" batch_norm_param { eps: 0.25 }', dtype, TEST)
    np.testing.assert_array_equal(run_forward(layer, blob_of([[1, -3]], dtype)).data, [[2, -6]])


def test_a_written_use_global_stats_wins_in_both_phases():
    updated = layer_from(BATCH, phase=TEST)
    run_forward(updated, spread_values((2, 3)))
    assert updated.blobs[2].data[0] == 1
    kept = layer_from(GLOBAL, phase=TRAIN)
    run_forward(kept, spread_values((2, 3)))
    assert kept.blobs[2].data[0] == 0


def test_large_means_cost_no_precision():
    values = 1000 + np.random.default_rng(1).normal(size=(4, 2, 50, 50))
    top = run_forward('type: "BatchNorm"', blob_of(values, np.float32))
    wanted = run_forward('type: "BatchNorm"', blob_of(values.astype(np.float32), np.float64))
    np.testing.assert_allclose(top.data, wanted.data, atol=2e-3)


@pytest.mark.parametrize("shape", [(5, 2, 3, 2), (6, 3), (2, 3, 1)])
@pytest.mark.parametrize("text", [GLOBAL, BATCH])
def test_gradient(text, shape):
    check_gradient(text, [spread_values(shape)], step=1e-4, threshold=1e-5)


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (6, 3)])
@pytest.mark.parametrize("text", [GLOBAL, BATCH])
def test_works_in_place(check_in_place, dtype, text, shape):
    check_in_place(text, spread_values(shape), dtype=dtype)


def test_leaves_the_gradient_that_nobody_wants():
    layer, bottom = layer_from('type: "BatchNorm"'), blob_of([[1.0], [2.0]])
    top = set_up(layer, [bottom])
    bottom.diff[...] = 9
    layer.forward([bottom], top)
    run_backward(layer, [bottom], top, [False])
    assert (bottom.diff == 9).all()


@pytest.mark.parametrize("given", ["", "param { lr_mult: 0 decay_mult: 0 }", "param { lr_mult: 0 } " * 3])
def test_its_blobs_are_not_learned(given):
    layer = layer_from(f'type: "BatchNorm" {given}')
    set_up(layer, [blob_of(np.ones((2, 3)))])
    assert [spec.lr_mult for spec in layer.layer_param.param] == [0, 0, 0]


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("param { lr_mult: 0 } param { lr_mult: 2 }", (2, 3), r"param\[1\]\.lr_mult is 2; .* write lr_mult: 0"),
        ("param { decay_mult: 0 }", (2, 3), r"param\[0\]\.lr_mult is 1"),
        ("", (3,), r"bottom\[0\] is 3 \(3\); channels are on axis 1"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f'type: "BatchNorm" {fields}', np.ones(shape))


def test_refuses_another_number_of_channels():
    layer, bottom = layer_from('type: "BatchNorm"'), blob_of(np.ones((2, 3, 4)))
    top = set_up(layer, [bottom])
    bottom.reshape(2, 4, 3)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 4 3 \(24\); the statistics are of 3 channels"):
        layer.reshape([bottom], top)


NORMALIZED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "bn1" type: "BatchNorm" bottom: "x" top: "y" }
layer { name: "bn2" type: "BatchNorm" bottom: "y" top: "z" }
"""


def test_statistics_that_saw_no_data_are_told_once_a_net(dtype, caplog):
    caplog.set_level("WARNING", "caffelite")
    param = text_format.Parse(NORMALIZED, caffe_pb2.NetParameter())
    nets = [caffelite.Net(param, phase, dtype=dtype) for phase in (TRAIN, TEST, TEST)]
    for _ in range(2):
        for net in nets:
            net.forward()
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith('layer "bn1" (BatchNorm): its statistics have seen no data')
    assert "316.228" in caplog.messages[0]
    caplog.clear()
    trained = caffelite.Net(param, TEST, dtype=dtype)
    trained.share_with(nets[0])
    trained.forward()
    assert not caplog.messages
