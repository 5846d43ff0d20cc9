import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.layer import layer_class_for
from caffelite.core.layers.batch_norm import BatchNormLayer
from caffelite.core.layers.scaled_batch_norm import ScaledBatchNormLayer
from caffelite.proto.caffe_pb2 import TEST, TRAIN, BlobProto, LayerParameter, NetParameter
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

RANDOM = '{ type: "gaussian" std: 1 }'
NVIDIAS = f"scale_filler {RANDOM} bias_filler {RANDOM}"
INTELS = f"filler {RANDOM} bias_filler {RANDOM}"
UNSHIFTED = f"filler {RANDOM} bias_term: false"


def batch_norm(fields):
    return f'type: "BatchNorm" batch_norm_param {{ {fields} }}'


def normal(*shape, seed=1701):
    return np.random.default_rng(seed).normal(2, 3, shape)


def of_channels(values, like):
    return np.reshape(values, (1, -1, *[1] * (like.ndim - 2)))


def scaled(layer, x, mean, variance, eps):
    """By plain numpy; blobs 3 and 4 are scale and shift, where there are such."""
    y = (x - of_channels(mean, x)) / np.sqrt(of_channels(variance, x) + eps)
    if len(layer.blobs) > 3:
        y = y * of_channels(layer.blobs[3].data, x)
    return y + of_channels(layer.blobs[4].data, x) if len(layer.blobs) > 4 else y


@pytest.mark.parametrize(
    ("fields", "stored", "is_scaled"),
    [
        ("", 0, False),
        ("use_global_stats: true eps: 1e-3", 0, False),
        ("engine: 'CAFFE' stats_batch_size: 8", 0, False),
        ("use_weight_bias: false", 0, False),
        ("use_weight_bias: false bias_term: false", 0, False),
        ("", 3, False),
        ("", 5, True),
        ("", 4, True),
        ("scale_bias: true", 0, True),
        ("scale_bias: true", 3, True),
        ("use_weight_bias: true", 3, False),
        ("scale_filler { value: 1 }", 0, True),
        ("use_weight_bias: true", 0, True),
        ("bias_term: false", 0, True),
        ("filler { value: 1 }", 0, True),
        ("relu: true", 3, True),
    ],
)
def test_a_plain_one_stays_bvlcs(fields, stored, is_scaled):
    layer = text_format.Parse(batch_norm(fields), LayerParameter(blobs=[BlobProto()] * stored))
    assert layer_class_for(layer) is (ScaledBatchNormLayer if is_scaled else BatchNormLayer)


@pytest.mark.parametrize(
    ("fields", "blobs"), [(NVIDIAS, 5), ("scale_bias: true", 5), (INTELS, 5), (UNSHIFTED, 4), ("relu: true", 3)]
)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(5, 2, 3, 4), (7, 3)])
def test_values_of_a_batch_and_of_all_batches(fields, blobs, relu, shape, dtype):
    fields = f"{fields} relu: true" if relu and "relu" not in fields else fields
    layer, x = layer_from(batch_norm(fields), dtype), normal(*shape)
    top = run_forward(layer, blob_of(x, dtype))
    assert [blob.shape for blob in layer.blobs] == [shape[1:2], shape[1:2], (1,), shape[1:2], shape[1:2]][:blobs]
    axes, count = (0, *range(2, len(shape))), x.size // shape[1]
    wanted = scaled(layer, x, x.mean(axes), x.var(axes), 1e-5)
    wanted = np.maximum(wanted, 0) if "relu" in fields else wanted
    np.testing.assert_allclose(top.data, wanted, atol=2e-5)
    tester = layer_from(batch_norm(fields), dtype, TEST)
    tester.blobs = layer.blobs
    top = run_forward(tester, blob_of(x, dtype))
    wanted = scaled(layer, x, x.mean(axes), x.var(axes) * count / (count - 1), 1e-5)
    np.testing.assert_allclose(top.data, np.maximum(wanted, 0) if "relu" in fields else wanted, atol=2e-5)


def test_without_fillers_the_scale_is_1_and_the_shift_0():
    for fields in ("scale_bias: true", "use_weight_bias: true"):
        layer = layer_from(batch_norm(fields))
        set_up(layer, [blob_of(normal(2, 3))])
        assert (layer.blobs[3].data == 1).all() and (layer.blobs[4].data == 0).all()


def test_nvidias_averages_have_the_weight_1_and_intels_are_sums(dtype):
    first, second = normal(4, 2, 3, 3), normal(4, 2, 3, 3, seed=2)
    means = [values.mean((0, 2, 3)) for values in (first, second)]
    for fields, mean, weight in (
        (NVIDIAS, 0.9 * means[0] + 0.1 * means[1], 1),
        (INTELS, 0.9 * means[0] + means[1], 1.9),
    ):
        layer, bottom = layer_from(batch_norm(f"{fields} moving_average_fraction: 0.9"), dtype), blob_of(first, dtype)
        top = set_up(layer, [bottom])
        layer.forward([bottom], top)
        bottom.data[...] = second
        layer.forward([bottom], top)
        np.testing.assert_allclose(layer.blobs[0].data, mean, rtol=1e-5)
        np.testing.assert_allclose(layer.blobs[2].data, [weight], rtol=1e-6)


@pytest.mark.parametrize(("fields", "eps"), [(NVIDIAS, 1e-5), (INTELS, 1e-7)])
def test_nvidias_eps_is_at_least_that_of_cudnn(fields, eps):
    layer = layer_from(batch_norm(f"{fields} eps: 1e-7"), phase=TEST)
    bottom = blob_of([[1.0, -1.0]])
    top = set_up(layer, [bottom])
    layer.blobs[2].data[...] = 1
    layer.forward([bottom], top)
    wanted = layer.blobs[3].data * bottom.data / np.sqrt(eps) + layer.blobs[4].data
    np.testing.assert_allclose(top[0].data, wanted, rtol=1e-5)


@pytest.mark.parametrize("statistics", ["", "use_global_stats: true"])
@pytest.mark.parametrize("fields", [NVIDIAS, f"{INTELS} relu: true", UNSHIFTED, "relu: true"])
def test_gradient(fields, statistics):
    layer, shape = layer_from(batch_norm(f"{fields} {statistics}")), (5, 2, 3, 2)
    set_up(layer, [blob_of(spread_values(shape))])
    if statistics:  # a mean that no value has: there the slope of relu jumps
        layer.blobs[0].data[...], layer.blobs[1].data[...], layer.blobs[2].data[...] = 0.54, 4, 2
    learned = range(3, len(layer.blobs))
    check_gradient(layer, [spread_values(shape)], step=1e-4, threshold=1e-5, check_params=learned)


@pytest.mark.parametrize("statistics", ["", "use_global_stats: true"])
@pytest.mark.parametrize("fields", [NVIDIAS, f"{INTELS} relu: true"])
def test_works_in_place(check_in_place, fields, statistics, dtype):
    check_in_place(batch_norm(f"{fields} {statistics}"), spread_values((3, 2, 4)), dtype=dtype)


def test_scale_and_shift_are_learned_and_the_sums_are_not():
    layer = layer_from(
        f"{batch_norm(NVIDIAS)} param {{ lr_mult: 0 }} {'param { lr_mult: 0 } ' * 2}param {{ lr_mult: 2 }}"
    )
    set_up(layer, [blob_of(normal(2, 3))])
    assert [spec.lr_mult for spec in layer.layer_param.param] == [0, 0, 0, 2]


def test_an_empty_batch_leaves_the_statistics():
    layer, bottom = layer_from(batch_norm(NVIDIAS)), blob_of(normal(2, 3))
    top = set_up(layer, [bottom])
    bottom.reshape(0, 3)
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    run_backward(layer, [bottom], top)
    assert not any(blob.data.any() for blob in layer.blobs[:3])


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("param { lr_mult: 0 } param { lr_mult: 2 }", (2, 3), r"param\[1\]\.lr_mult is 2; .* write lr_mult: 0"),
        ("param {}", (2, 3), r"the first 3 blobs are statistics, the scale and the shift come after them"),
        ("", (3,), r"bottom\[0\] is 3 \(3\); channels are on axis 1"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f"{batch_norm(NVIDIAS)} {fields}", np.ones(shape))


NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param {{ {} }} }}
"""


def test_a_file_with_a_scale_inside_is_answered_with_what_to_write(tmp_path, caplog):
    nets = [
        caffelite.Net(text_format.Parse(NET.format(fields), NetParameter()), phase)
        for fields, phase in ((NVIDIAS, TRAIN), ("", TEST), ("scale_bias: true", TEST))
    ]
    nets[0].blobs["x"].data[...] = normal(2, 3)
    nets[0].forward()
    path = tmp_path / "nvidia.caffemodel"
    nets[0].save(path)
    with pytest.raises(WeightsError, match=r"has 5, the net 3; .* is written batch_norm_param \{ scale_bias: true \}"):
        nets[1].copy_from(path)
    nets[2].copy_from(path)
    nets[2].blobs["x"].data[...] = nets[0].blobs["x"].data
    nets[2].forward()
    blobs = [blob.data for blob in nets[0].params["bn"]]
    wanted = blobs[3] * (nets[0].blobs["x"].data - blobs[0]) / np.sqrt(blobs[1] + 1e-5) + blobs[4]
    np.testing.assert_allclose(nets[2].blobs["y"].data, wanted, atol=1e-5)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("has", "wants", "advice"),
    [
        ("", "scale_bias: true", r"has 3, the net 5; .*; a BatchNorm of 3 blobs has none of scale_bias, scale_filler"),
        ("bias_term: false", "scale_bias: true", r"has 4, the net 5; .* one without a shift with bias_term: false"),
        ("scale_bias: true", "relu: true", r"has 5, the net 3; .* is written batch_norm_param \{ scale_bias: true \}"),
    ],
)
def test_files_of_other_kinds_are_answered_with_what_to_write(has, wants, advice, tmp_path):
    path = tmp_path / "other.caffemodel"
    caffelite.Net(text_format.Parse(NET.format(has), NetParameter()), TEST).save(path)
    with pytest.raises(WeightsError, match=advice):
        caffelite.Net(text_format.Parse(NET.format(wants), NetParameter()), TEST).copy_from(path)


def test_stored_blobs_that_a_written_scale_lacks_are_refused():
    layer = layer_from(batch_norm("scale_bias: true"))
    layer.blobs.extend(blob_of(np.zeros(size)) for size in (3, 3, 1))
    with pytest.raises(LayerError, match=r"blobs is of shape 3 \(3\), 3 \(3\), 1 \(1\); this layer has 5 of shape"):
        set_up(layer, [blob_of(normal(2, 3))])
