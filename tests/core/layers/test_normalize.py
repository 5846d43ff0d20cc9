import numpy as np
import pytest

import caffelite
from caffelite.core.errors import LayerError
from caffelite.core.layers.normalize import NormalizeLayer, ParseNetNormalizeLayer
from caffelite.core.layers.normalize_by_pixel import NormalizeByPixelLayer
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 3, 4, 2))
FILLER = 'scale_filler { type: "gaussian" std: 1 }'


def fields_of(fields=""):
    return f'type: "Normalize" norm_param {{ {fields} }}'


def plain(values, scale, across_spatial, eps=1e-10):
    """Pixel by pixel, as the definition says."""
    result = np.empty_like(values)
    for n, h, w in np.ndindex(values.shape[0], *values.shape[2:]):
        around = values[n] if across_spatial else values[n, :, h, w]
        result[n, :, h, w] = scale * values[n, :, h, w] / np.sqrt((around**2).sum() + eps)
    return result


def test_the_fields_tell_which_fork_it_is():
    assert type(layer_from('type: "Normalize"')) is NormalizeLayer
    assert type(layer_from(fields_of("across_spatial: false channel_shared: false"))) is NormalizeLayer
    assert type(layer_from(fields_of("fix_scale: true"))) is ParseNetNormalizeLayer
    assert type(layer_from(fields_of("fix_scale: false"))) is ParseNetNormalizeLayer
    assert type(layer_from('type: "Normalize" normalize_param { }')) is NormalizeByPixelLayer
    assert [kind.fork for kind in (NormalizeLayer, ParseNetNormalizeLayer, NormalizeByPixelLayer)] == [
        "SSD",
        "ParseNet",
        "happynear",
    ]


@pytest.mark.parametrize("across_spatial", [True, False])
@pytest.mark.parametrize("channel_shared", [True, False])
def test_equals_a_plain_version(across_spatial, channel_shared, dtype):
    fields = f"across_spatial: {across_spatial} channel_shared: {channel_shared} {FILLER}".replace("T", "t")
    layer = layer_from(fields_of(fields.replace("F", "f")), dtype)
    top = run_forward(layer, blob_of(VALUES, dtype))
    assert layer.blobs[0].shape == (() if channel_shared else (3,)) and top.dtype == dtype
    expected = plain(VALUES, layer.blobs[0].data, across_spatial)
    np.testing.assert_allclose(top.data, expected, rtol=2e-6 if dtype == np.float32 else 1e-13)


def test_by_hand(dtype):
    top = run_forward(fields_of("across_spatial: false eps: 0"), blob_of([[[[3, 0]], [[4, 2]]]], dtype))
    np.testing.assert_allclose(top.data, [[[[0.6, 0]], [[0.8, 1]]]], rtol=1e-6)
    top = run_forward(fields_of("scale_filler { value: 20 }"), blob_of([[[[2, 0]], [[4, 4]]]], dtype))
    np.testing.assert_allclose(top.data, [[[[20 / 3, 0]], [[40 / 3, 40 / 3]]]], rtol=1e-6)


def test_the_scale_is_1_without_a_filler_and_keeps_what_is_loaded():
    np.testing.assert_array_equal(layer_blobs(fields_of("channel_shared: false")), [1, 1, 1])
    loaded = "blobs { shape { dim: 3 } data: 1 data: 2 data: 3 }"
    np.testing.assert_array_equal(layer_blobs(f"{loaded} {fields_of('channel_shared: false')}"), [1, 2, 3])


def layer_blobs(text):
    layer = layer_from(text)
    set_up(layer, [blob_of(VALUES)])
    return layer.blobs[0].data


def test_zeros_stay_zeros_and_eps_is_within_the_root(dtype):
    np.testing.assert_array_equal(run_forward(fields_of(), blob_of(np.zeros((1, 2, 2, 2)), dtype)).data, 0)
    top = run_forward(fields_of("eps: 7"), blob_of([[3.0]], dtype))
    np.testing.assert_allclose(top.data, [[0.75]], rtol=1e-6)


def test_without_eps_zeros_are_nan_as_in_c_and_large_values_become_0(dtype):
    assert np.isnan(run_forward(fields_of("eps: 0"), blob_of([[0.0]], dtype)).data).all()
    assert run_forward(fields_of(), blob_of([[1e30]], np.float32)).data == 0


@pytest.mark.parametrize("across_spatial", ["true", "false"])
@pytest.mark.parametrize("channel_shared", ["true", "false"])
@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (3, 4)])
def test_gradient(across_spatial, channel_shared, shape):
    fields = f"across_spatial: {across_spatial} channel_shared: {channel_shared} eps: 0.1 {FILLER}"
    check_gradient(fields_of(fields), [RNG.normal(size=shape)], step=1e-4, threshold=1e-6)


def test_a_scale_of_0_has_a_gradient():
    fields = "across_spatial: false channel_shared: false scale_filler { value: 0 }"
    check_gradient(fields_of(fields), [VALUES], step=1e-4, threshold=1e-6)


def test_the_scales_gradient_is_added_or_left_alone(dtype):
    layer, bottom = layer_from(fields_of("channel_shared: false"), dtype), blob_of(VALUES, dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 1
    layer.blobs[0].diff[...] = 100
    layer.param_propagate_down = [False]
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(layer.blobs[0].diff, 100)
    layer.param_propagate_down = [True]
    layer.backward(top, [False], [bottom])
    np.testing.assert_allclose(layer.blobs[0].diff, 100 + top[0].data.sum((0, 2, 3)), rtol=1e-6)


SOLVER = """net_param {
  layer { name: "x" type: "DummyData" top: "x" dummy_data_param {
    shape { dim: 2 dim: 3 } data_filler { type: "gaussian" std: 1 } } }
  layer { name: "norm" type: "Normalize" bottom: "x" top: "y" norm_param { fix_scale: %s } %s }
  layer { name: "scale" type: "Scale" bottom: "y" top: "z" }
  layer { name: "loss" type: "Reduction" bottom: "z" top: "loss" loss_weight: 1 reduction_param { operation: SUMSQ } }
} base_lr: 0.1 lr_policy: "fixed" max_iter: 3 momentum: 0.9 weight_decay: 0.1 snapshot_after_train: false"""


@pytest.mark.parametrize("param", ["", "param { lr_mult: 2 }", "param { decay_mult: 0 }"])
@pytest.mark.parametrize("fixed", ["true", "false"])
def test_parsenets_scale_is_learned_unless_it_is_fixed(tmp_path, fixed, param):
    (tmp_path / "solver.prototxt").write_text(SOLVER % (fixed, param))
    solver = caffelite.get_solver(str(tmp_path / "solver.prototxt"))
    solver.step(2)
    assert (solver.net.params["norm"][0].data == 1) == (fixed == "true")


def test_the_gradients_are_those_of_ssd():
    check_gradient(fields_of(f"fix_scale: true {FILLER}"), [VALUES], step=1e-4, threshold=1e-6)
    check_gradient(fields_of(f"fix_scale: false across_spatial: false {FILLER}"), [VALUES], step=1e-4, threshold=1e-6)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of("across_spatial: false")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((1, 5, 2, 6), (0, 3, 2, 2), (4, 2)):
        values = RNG.normal(size=shape)
        bottom.reshape(*shape)
        bottom.data[...] = values
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        np.testing.assert_allclose((top[0].data ** 2).sum(1), np.ones((shape[0], *shape[2:])), rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "values", "message"),
    [
        ("", [1.0, 2.0], r"bottom\[0\] is 2 \(2\); Normalize needs axes for items and channels"),
        ("eps: -1", VALUES, r"norm_param\.eps is -1; use 0 or a small positive number"),
        ("eps: nan", VALUES, r"norm_param\.eps is nan"),
    ],
)
def test_refusals(fields, values, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields), values)


def test_refuses_other_channels_later_and_blobs_of_another_shape():
    layer, bottom = layer_from(fields_of("channel_shared: false")), blob_of(VALUES)
    top = set_up(layer, [bottom])
    bottom.reshape(2, 4, 2, 2)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 4 2 2 \(32\); the layer was set up for 3 channels"):
        layer.reshape([bottom], top)
    with pytest.raises(LayerError, match="this layer has 1 of shape"):
        layer_blobs(f"blobs {{ shape {{ dim: 2 }} data: 1 data: 2 }} {fields_of('channel_shared: false')}")
