import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1701)
VALUES = RNG.normal(3, 2, (2, 3, 4, 5))
MODES = {
    "default": "",
    "mean only": "normalize_variance: false",
    "across": "across_channels: true",
    "across, mean only": "across_channels: true normalize_variance: false",
    "large eps": "eps: 0.5",
}


def mvn(fields):
    return f'type: "MVN" mvn_param {{ {fields} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("mvn")


@pytest.mark.parametrize("fields", MODES.values(), ids=MODES)
def test_values(dtype, fields):
    top = run_forward(mvn(fields), blob_of(VALUES, dtype))
    groups = VALUES.astype(dtype).astype(np.float64).reshape(2 if "across" in fields else 6, -1)
    wanted = groups - groups.mean(1, keepdims=True)
    if "normalize" not in fields:
        wanted /= groups.std(1, keepdims=True) + (0.5 if "eps" in fields else 1e-9)
    np.testing.assert_allclose(top.data.ravel(), wanted.ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "wanted"), [((2, 3), (2, 3, 1, 1)), ((4,), (4, 1, 1, 1)), ((2, 3, 7), (2, 3, 7, 1))])
def test_the_top_has_four_axes(dtype, shape, wanted):
    bottom = blob_of(RNG.normal(size=shape), dtype)
    top = run_forward(mvn("across_channels: true"), bottom)
    assert top.shape == wanted
    np.testing.assert_allclose(top.data.reshape(shape[0], -1).mean(1), 0, atol=1e-6)


def test_equal_values_become_0_and_their_gradient_stays_finite(dtype):
    layer, bottom = layer_from(mvn(""), dtype), blob_of(np.full((1, 2, 2, 2), 3), dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data, 0)
    top[0].diff[...] = 1
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff, 0)


@pytest.mark.parametrize("shape", [(2, 3, 2, 3), (2, 4)])
@pytest.mark.parametrize("fields", MODES.values(), ids=MODES)
def test_gradient(fields, shape):
    fields += " across_channels: true" if len(shape) == 2 and "across" not in fields else ""
    check_gradient(mvn(fields), [RNG.normal(size=shape)], step=1e-4, threshold=1e-6)


@pytest.mark.parametrize("fields", MODES.values(), ids=MODES)
def test_works_in_place(check_in_place, dtype, fields):
    check_in_place(mvn(fields), VALUES, dtype=dtype)


def test_refuses_more_than_4_axes():
    with pytest.raises(LayerError, match=r"bottom\[0\] is 1 1 1 1 2 \(2\); MVN takes 4 axes at most"):
        run_forward(mvn(""), np.ones((1, 1, 1, 1, 2)))
