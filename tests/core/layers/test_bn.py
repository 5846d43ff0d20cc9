import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.layer import layer_class_for
from caffelite.core.layers.bn import ParseNetBNLayer, PSPNetBNLayer, SegNetBNLayer
from caffelite.proto.caffe_pb2 import TEST, TRAIN, BlobProto, LayerParameter, NetParameter
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

RANDOM = '{ type: "gaussian" std: 1 }'
SCALES = f"scale_filler {RANDOM} shift_filler {RANDOM}"
SLOPES = f"slope_filler {RANDOM} bias_filler {RANDOM}"
SHAPES = [(5, 2, 3, 4), (7, 3), (2, 3, 5)]


def bn(fields=""):
    return f'type: "BN" bn_param {{ {fields} }}'


def normal(*shape, seed=1701):
    return np.random.default_rng(seed).normal(2, 3, shape)


def of_channels(values, like):
    return np.reshape(values, (1, -1, *[1] * (like.ndim - 2)))


def plain(x, scale, shift, eps, mean=None, variance=None):
    """Mean 0 and variance 1 for each channel, of the batch unless given, then scale and shift."""
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes) if mean is None else mean
    variance = (x**2).mean(axes) - mean**2 if variance is None else variance
    normalized = (x - of_channels(mean, x)) / np.sqrt(of_channels(variance, x) + eps)
    return of_channels(scale, x) * normalized + of_channels(shift, x)


@pytest.mark.parametrize(
    ("fields", "stored", "wanted"),
    [
        ("", 0, PSPNetBNLayer),
        ("", 4, PSPNetBNLayer),
        ("", 2, SegNetBNLayer),
        ("slope_filler { }", 0, PSPNetBNLayer),
        ("frozen: true", 2, PSPNetBNLayer),
        ("momentum: 0.95", 0, PSPNetBNLayer),
        ("scale_filler { }", 0, SegNetBNLayer),
        ("shift_filler { }", 4, SegNetBNLayer),
        ("bn_mode: INFERENCE", 0, SegNetBNLayer),
        ("scale_filler { } var_eps: 1e-5", 0, ParseNetBNLayer),
        ("moving_average: true", 4, ParseNetBNLayer),
        ("decay: 0.9", 0, ParseNetBNLayer),
    ],
)
def test_the_fields_and_the_stored_blobs_tell_the_kind(fields, stored, wanted):
    layer = text_format.Parse(bn(fields), LayerParameter(blobs=[BlobProto()] * stored))
    assert layer_class_for(layer) is wanted


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("fields", "eps"), [(SCALES, 1e-9), (f"{SCALES} var_eps: 0.5", 0.5), (SLOPES, 1e-5)])
def test_the_batchs_own_statistics(fields, eps, shape, phase, dtype):
    if fields == SLOPES and phase == TEST:
        return  # it takes the running ones
    layer, bottom = layer_from(bn(fields), dtype, phase), blob_of(normal(*shape), dtype)
    top = run_forward(layer, bottom)
    scale, shift = (blob.data for blob in layer.blobs[:2])
    assert scale.shape == (1, shape[1], 1, 1) and scale.std() > 0
    wanted = plain(bottom.data.astype(np.float64), scale, shift, eps)
    np.testing.assert_allclose(top.data, wanted, atol=2e-5 if dtype == np.float32 else 1e-7)


def test_segnets_inference_scales_and_shifts_alone(dtype):
    layer, bottom = layer_from(bn(f"{SCALES} bn_mode: INFERENCE"), dtype), blob_of(normal(2, 3, 4, 4), dtype)
    top = run_forward(layer, bottom)
    scale, shift = (blob.data for blob in layer.blobs)
    np.testing.assert_allclose(top.data, scale * bottom.data + shift, rtol=1e-5, atol=1e-5)


def test_segnets_further_tops_are_the_statistics(dtype):
    values = normal(4, 2, 3, 3)
    tops = run_forward(bn(SCALES), blob_of(values, dtype), top_count=3)
    for top, wanted in zip(tops[1:], (values.mean((0, 2, 3)), values.var((0, 2, 3))), strict=True):
        assert top.shape == (1, 2, 1, 1)
        np.testing.assert_allclose(top.data.ravel(), wanted, rtol=1e-5)


def test_pspnets_running_statistics_and_their_use_in_test(dtype):
    layer, first = layer_from(bn(f"{SLOPES} momentum: 0.75 eps: 0.5"), dtype), normal(4, 2, 3, 3)
    bottom = blob_of(first, dtype)
    top = set_up(layer, [bottom])
    mean, variance = np.zeros(2), np.zeros(2)
    for values in (first, normal(4, 2, 3, 3, seed=2)):
        bottom.data[...] = values
        layer.forward([bottom], top)
        mean = 0.75 * mean + 0.25 * values.mean((0, 2, 3))
        variance = 0.75 * variance + 0.25 * values.var((0, 2, 3))  # biased
    np.testing.assert_allclose(layer.blobs[2].data.ravel(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.blobs[3].data.ravel(), variance, rtol=1e-5)
    tester = layer_from(bn(f"{SLOPES} eps: 0.5"), dtype, TEST)
    tester.blobs = layer.blobs
    wanted = plain(bottom.data, layer.blobs[0].data, layer.blobs[1].data, 0.5, mean, variance)
    np.testing.assert_allclose(run_forward(tester, bottom).data, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.blobs[2].data.ravel(), mean, rtol=1e-5)


def test_frozen_takes_the_running_ones_in_train_and_keeps_them(dtype):
    layer, bottom = layer_from(bn(f"{SLOPES} frozen: true eps: 0.5"), dtype), blob_of(normal(3, 2, 4), dtype)
    (top,) = set_up(layer, [bottom])
    assert [spec.lr_mult for spec in layer.layer_param.param] == [0] * 4
    np.testing.assert_array_equal(layer.blobs[2].data, np.zeros((1, 2, 1, 1)))
    np.testing.assert_array_equal(layer.blobs[3].data, np.ones((1, 2, 1, 1)))
    layer.blobs[2].data[...], layer.blobs[3].data[...] = 1, 4
    layer.forward([bottom], [top])
    slope, bias = (of_channels(blob.data, bottom.data) for blob in layer.blobs[:2])
    np.testing.assert_allclose(top.data, slope * (bottom.data - 1) / np.sqrt(4.5) + bias, rtol=1e-5, atol=1e-5)
    assert (layer.blobs[2].data == 1).all() and (layer.blobs[3].data == 4).all()


@pytest.mark.parametrize("given", ["", "param { lr_mult: 2 } param { lr_mult: 3 }", "param { lr_mult: 2 } " * 4])
def test_pspnets_statistics_are_not_learned(given):
    layer = layer_from(f"{bn()} {given}")
    set_up(layer, [blob_of(normal(2, 3))])
    lr_mults = [spec.lr_mult for spec in layer.layer_param.param]
    assert lr_mults[2:] == [0, 0] and 0 not in lr_mults[:2]


def test_parsenets_moving_average(dtype):
    fields = f"{SCALES} moving_average: true decay: 0.5 var_eps: 0.1"
    layer, bottom = layer_from(bn(fields), dtype), blob_of(normal(4, 2, 3, 3), dtype)
    run_forward(layer, bottom)
    mean, variance = 0.5 * bottom.data.mean((0, 2, 3)), 0.5 * bottom.data.var((0, 2, 3))
    np.testing.assert_allclose(layer.blobs[2].data.ravel(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.blobs[3].data.ravel(), variance, rtol=1e-5)
    tester = layer_from(bn(fields), dtype, TEST)
    tester.blobs = layer.blobs
    wanted = plain(bottom.data, layer.blobs[0].data, layer.blobs[1].data, 0.1, mean, variance)
    np.testing.assert_allclose(run_forward(tester, bottom).data, wanted, rtol=1e-4, atol=1e-5)
    assert [spec.lr_mult for spec in layer.layer_param.param] == [1, 1, 0, 0]


KINDS = [
    (SCALES, TRAIN),
    (f"{SCALES} bn_mode: INFERENCE", TRAIN),
    (f"{SCALES} var_eps: 0.1 moving_average: true", TRAIN),
    (SLOPES, TRAIN),
    (f"{SLOPES} frozen: true", TRAIN),
]


@pytest.mark.parametrize("shape", [(5, 2, 3, 2), (6, 3)])
@pytest.mark.parametrize(("fields", "phase"), KINDS)
def test_gradient(fields, phase, shape):
    layer = layer_from(bn(fields), phase=phase)
    check_gradient(layer, [spread_values(shape)], step=1e-4, threshold=1e-5, check_params=[0, 1])


@pytest.mark.parametrize(("fields", "phase"), KINDS)
def test_works_in_place(check_in_place, fields, phase, dtype):
    if fields == SCALES:
        return  # its blobs go through the same code as ParseNet's
    check_in_place(bn(fields), spread_values((3, 2, 4)), dtype=dtype, phase=phase)


def test_segnets_works_in_place(check_in_place):
    check_in_place(bn(SCALES), spread_values((3, 2, 4)))


@pytest.mark.parametrize(("fields", "phase"), KINDS)
def test_other_sizes_and_an_empty_batch(fields, phase, dtype):
    layer, bottom = layer_from(bn(fields), dtype, phase), blob_of(normal(3, 2, 4), dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    statistics = [blob.data.copy() for blob in layer.blobs]
    bottom.reshape(0, 2, 4)
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    run_backward(layer, [bottom], top)
    for blob, before in zip(layer.blobs, statistics, strict=True):
        np.testing.assert_array_equal(blob.data, before)
    bottom.reshape(2, 2, 3, 5)
    bottom.data[...] = normal(2, 2, 3, 5)
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    assert top[0].shape == (2, 2, 3, 5) and np.isfinite(top[0].data).all()


@pytest.mark.parametrize(
    ("fields", "shape", "tops", "message"),
    [
        ("", (3,), 1, r"bottom\[0\] is 3 \(3\); channels are on axis 1"),
        ("across_spatial: false", (2, 3), 1, r"bn_param\.across_spatial is false; .* use true"),
        ("bn_mode: INFERENCE", (2, 3), 3, r"bn_param\.bn_mode is INFERENCE; it takes no statistics, so leave out"),
    ],
)
def test_refusals(fields, shape, tops, message):
    with pytest.raises(LayerError, match=message):
        run_forward(bn(fields), np.ones(shape), top_count=tops)


def test_refuses_another_number_of_channels():
    layer, bottom = layer_from(bn()), blob_of(np.ones((2, 3, 4)))
    top = set_up(layer, [bottom])
    bottom.reshape(2, 4, 3)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 4 3 \(24\); scale and statistics are of 3 channels"):
        layer.reshape([bottom], top)


NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 3 dim: 2 dim: 2 }} }} }}
layer {{ name: "bn" type: "BN" bottom: "x" top: "y" {} }}
"""


def net_of(fields):
    return caffelite.Net(text_format.Parse(NET.format(fields), NetParameter()), TEST)


@pytest.mark.parametrize(
    ("has", "wants", "advice"),
    [
        (
            "bn_param { bn_mode: LEARN }",
            "",
            r"has 2, the net 4; .* BN of 2 blobs is written bn_param \{ bn_mode: INF",
        ),
        (
            "",
            "bn_param { bn_mode: LEARN }",
            r"has 4, the net 2; .* BN of 4 blobs is written bn_param \{ frozen: fal",
        ),
    ],
)
def test_a_file_with_the_blobs_of_another_kind_is_answered_with_what_to_write(has, wants, advice, tmp_path):
    path = tmp_path / "other.caffemodel"
    net_of(has).save(path)
    with pytest.raises(WeightsError, match=advice):
        net_of(wants).copy_from(path)
    net = net_of(has)
    net.copy_from(path)  # what is said to write takes the file
