import logging

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up, spread_values

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(2, 3, 4, 2))


def fields_of(fields=""):
    return f'type: "Normalize" normalize_param {{ {fields} }}'


@pytest.mark.parametrize("kind", ["L1", "L2"])
def test_equals_a_plain_version(kind, dtype):
    top = run_forward(fields_of(f'normalize_type: "{kind}"'), blob_of(VALUES, dtype), top_count=2)
    assert top[0].dtype == dtype and top[1].shape == (2, 1, 4, 2)
    for n, h, w in np.ndindex(2, 4, 2):
        pixel = VALUES[n, :, h, w]
        length = np.sqrt((pixel**2).sum() + 1e-6) if kind == "L2" else np.abs(pixel).sum() + 1e-6
        rtol = 2e-6 if dtype == np.float32 else 1e-13
        np.testing.assert_allclose(top[0].data[n, :, h, w], pixel / length, rtol=rtol)
        np.testing.assert_allclose(top[1].data[n, 0, h, w], length, rtol=rtol)


def test_by_hand(dtype):
    np.testing.assert_allclose(run_forward(fields_of(), blob_of([[3, -4]], dtype)).data, [[0.6, -0.8]], rtol=1e-6)
    top = run_forward(fields_of('normalize_type: "L1"'), blob_of([[1, -3]], dtype))
    np.testing.assert_allclose(top.data, [[0.25, -0.75]], rtol=1e-6)


def test_zeros_stay_zeros(dtype):
    np.testing.assert_array_equal(run_forward(fields_of(), blob_of(np.zeros((1, 2, 2, 2)), dtype)).data, 0)


@pytest.mark.parametrize("kind", ["L1", "L2"])
@pytest.mark.parametrize("tops", [1, 2])
def test_gradient(kind, tops):
    fields = fields_of(f'normalize_type: "{kind}" bp_norm: true')
    check_gradient(fields, [spread_values((2, 3, 2, 2))], top_count=tops, step=1e-4, threshold=1e-6)


def test_the_lengths_give_no_gradient_back_without_bp_norm():
    check_gradient(fields_of(), [VALUES], top_count=2, check_top=[0], step=1e-4, threshold=1e-6)
    layer, bottom = layer_from(fields_of()), blob_of(VALUES)
    top = set_up(layer, [bottom], 2)
    layer.forward([bottom], top)
    top[1].diff[...] = 5
    layer.backward(top, [True], [bottom])
    np.testing.assert_array_equal(bottom.diff, 0)


def test_other_shapes_and_no_items():
    layer, bottom = layer_from(fields_of()), blob_of(VALUES)
    top = set_up(layer, [bottom], 2)
    for shape in ((1, 5, 2, 6), (0, 3, 2, 2), (4, 2)):
        bottom.reshape(*shape)
        bottom.data[...] = RNG.normal(size=shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        layer.backward(top, [True], [bottom])
        assert top[0].shape == shape and top[1].shape == (shape[0], 1, *shape[2:])
        np.testing.assert_allclose(top[0].data * top[1].data, bottom.data, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "values", "message"),
    [
        ('normalize_type: "max"', VALUES, r'normalize_param\.normalize_type is "max"; use "L2" or "L1"'),
        ("", [1.0, 2.0], r"bottom\[0\] is 2 \(2\); Normalize needs axes for items and channels"),
    ],
)
def test_refusals(fields, values, message):
    with pytest.raises(LayerError, match=message):
        run_forward(fields_of(fields), values)


def test_a_gradient_that_is_none_is_warned_of(tmp_path, caplog):
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "unit" type: "Normalize" bottom: "x" top: "unit" normalize_param { fix_gradient: true } }\n'
    )
    with caplog.at_level(logging.WARNING, "caffelite"):
        caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST)
    assert "normalize_param.fix_gradient has no effect; the gradient is always that of the loss" in caplog.text
