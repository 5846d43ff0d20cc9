import logging

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import LayerError
from caffelite.core.layers.upsample import UpsampleLayer
from caffelite.core.layers.upsample_unpooling import UpsampleUnpoolingLayer
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 2, 2, 3))


def fields_of(fields=""):
    return f'type: "Upsample" bottom: "x" bottom: "places" upsample_param {{ {fields} }}'


def places_in(plane, shape=VALUES.shape):
    """Different places for the values of each plane."""
    return np.array([RNG.permutation(plane)[: shape[2] * shape[3]] for _ in range(shape[0] * shape[1])]).reshape(shape)


def plain(values, places, size):
    result = np.zeros((*values.shape[:2], *size))
    for n, c, h, w in np.ndindex(values.shape):
        result[n, c].flat[int(places[n, c, h, w])] = values[n, c, h, w]
    return result


def test_two_bottoms_make_it_segnets():
    assert type(layer_from(fields_of())) is UpsampleUnpoolingLayer
    assert type(layer_from('type: "Upsample" bottom: "x"')) is UpsampleLayer


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("", (4, 6)),
        ("scale: 3", (6, 9)),
        ("scale_h: 1 scale_w: 2", (2, 6)),
        ("scale: 2 pad_out_h: true", (3, 6)),
        ("pad_out_h: true pad_out_w: true", (3, 5)),
        ("upsample_h: 5 upsample_w: 7", (5, 7)),
        ("upsample_h: 5 upsample_w: 7 scale: 9", (5, 7)),
    ],
)
def test_equals_a_plain_version(fields, size, dtype):
    places = places_in(size[0] * size[1])
    top = run_forward(fields_of(fields), blob_of(VALUES, dtype), blob_of(places, dtype))
    np.testing.assert_array_equal(top.data, plain(VALUES, places, size).astype(dtype), strict=True)


def test_of_equal_places_the_last_value_stands_and_has_the_gradient(dtype):
    layer = layer_from(fields_of(), dtype)
    blobs = [blob_of([[[[1, 2, 3]]]], dtype), blob_of([[[[5, 0, 5]]]], dtype)]
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    np.testing.assert_array_equal(top[0].data.ravel(), [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0])
    top[0].diff[...] = np.arange(12).reshape(1, 1, 2, 6)
    run_backward(layer, blobs, top)
    np.testing.assert_array_equal(blobs[0].diff.ravel(), [0, 0, 5])


@pytest.mark.parametrize("places", [places_in(24), np.full(VALUES.shape, 3)], ids=["different", "equal"])
def test_gradient(places):
    check_gradient(fields_of(), [VALUES, places], threshold=1e-8)


NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: %d dim: 6 } } }
layer { name: "pool" type: "Pooling" bottom: "x" top: "pool" top: "places"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "places" top: "up" upsample_param { %s } }
"""


def test_undoes_a_pooling(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET % (5, "upsample_h: 5 upsample_w: 6"))
    net = caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST)
    x = RNG.normal(size=(2, 3, 5, 6)).astype(np.float32)
    up = net.forward(x=x)["up"]
    kept = up != 0
    np.testing.assert_array_equal(up[kept], x[kept])
    assert kept.reshape(6, -1).sum(1).tolist() == [9] * 6
    np.testing.assert_array_equal(up.max((2, 3)).clip(0), x.max((2, 3)).clip(0))


def test_the_size_follows_the_bottom(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET % (4, "scale: 2"))
    net = caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST)
    for height in (4, 8, 2):
        net.blobs["x"].reshape(1, 3, height, 6)
        net.blobs["x"].data[...] = RNG.normal(size=(1, 3, height, 6))
        assert net.forward()["up"].shape == (1, 3, height, 6)


def test_no_items():
    none = np.ones((0, 2, 2, 3))
    assert run_forward(fields_of(), none, none).shape == (0, 2, 4, 6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("upsample_h: 5", r"upsample_param\.upsample_h is 5; give upsample_w, too"),
        ("scale_w: 2", r"upsample_param\.scale_w is 2; give scale_h, too"),
        ("upsample_h: 0 upsample_w: 3", r"upsample_param\.upsample_h is 0, upsample_w 3; use 1 or more"),
        ("scale: 1.5", r"upsample_param\.scale is 1\.5; use a whole number"),
        ("scale_h: 0 scale_w: 2", r"upsample_param\.scale_h is 0; use a whole number"),
        ("scale: 3 pad_out_w: true", r"pad_out_w is true; it needs scale 2, but upsample_param\.scale is 3"),
    ],
)
def test_refuses_sizes(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields), VALUES, places_in(24))


def test_refuses_other_shapes():
    with pytest.raises(
        LayerError, match=r"bottom\[1\] is 2 2 3 2 \(24\); it needs a place for each value of bottom\[0\]"
    ):
        run_forward(fields_of(), VALUES, np.ones((2, 2, 3, 2)))
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 2 2 \(8\); Upsample takes images"):
        run_forward(fields_of(), VALUES[..., 0], VALUES[..., 0])


@pytest.mark.parametrize("wrong", [24, -1, 2.5, np.nan, np.inf])
def test_refuses_places_outside_the_plane(wrong, dtype):
    places = places_in(24)
    places = places.astype(dtype)
    places[1, 0, 1, 2] = wrong
    with pytest.raises(
        LayerError, match=rf"bottom\[1\] is {wrong:g} at \(1, 0, 1, 2\); a plane of the top has places 0 to 23"
    ):
        run_forward(fields_of(), blob_of(VALUES, dtype), blob_of(places, dtype))


def test_a_place_of_a_window_without_a_pixel_is_said_to_be_one():
    places = places_in(24)
    places[0, 0, 0, 0] = -1  # as Pooling has it
    with pytest.raises(LayerError, match="of a window without a pixel; give the Pooling layer a kernel as large"):
        run_forward(fields_of(), VALUES, places)


def test_places_have_a_gradient_of_0():
    layer, blobs = layer_from(fields_of()), [blob_of(VALUES), blob_of(places_in(24))]
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    blobs[1].diff[...] = 7
    layer.backward(top, [False, True], blobs)
    np.testing.assert_array_equal(blobs[1].diff, 0)
    assert not layer.allow_force_backward(1)


TRAINED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 2 dim: 4 dim: 6 } } }
layer { name: "scale" type: "Scale" bottom: "x" top: "scaled" }
layer { name: "pool" type: "Pooling" bottom: "scaled" top: "pool" top: "places"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "places" top: "up" upsample_param { scale: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "up" bottom: "x" top: "loss" }
"""


def test_what_is_below_a_pooling_and_its_undoing_is_trained(tmp_path):
    (tmp_path / "net.prototxt").write_text(TRAINED)
    net = caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TRAIN, dtype=np.float64)
    x = net.blobs["x"].data
    x[...] = RNG.normal(size=x.shape)
    net.params["scale"][0].data[...] = [3, 0.5]
    net.forward()
    net.backward()
    up = net.blobs["up"].data
    kept = np.where(up != 0, x, 0)  # d loss / d scale: of values that were kept, (up - x) * x
    np.testing.assert_allclose(net.params["scale"][0].diff, ((up - x) * kept).sum((0, 2, 3)) / 2, rtol=1e-10)


def test_fields_of_the_other_form_are_warned_of(tmp_path, caplog):
    (tmp_path / "net.prototxt").write_text(NET % (4, "stride: 2"))
    with caplog.at_level(logging.WARNING, "caffelite"):
        caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST)
    assert "upsample_param.stride has no effect; it is for layers with one bottom, which repeat pixels" in caplog.text
