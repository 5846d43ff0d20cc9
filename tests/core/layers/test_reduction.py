import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

SIX = np.array([[1, -2, 0], [4, 5, -6]], float)
NUMPYS = {"SUM": np.sum, "ASUM": lambda x: abs(x).sum(), "SUMSQ": lambda x: (x * x).sum(), "MEAN": np.mean}


@pytest.mark.parametrize("name", ["reduction_asum", "reduction_mean", "reduction_sum", "reduction_sumsq"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize(
    ("operation", "values", "diff"),
    [
        ("SUM", [-2, 6], [2, 2, 2, 20, 20, 20]),
        ("ASUM", [6, 30], [2, -2, 0, 20, 20, -20]),
        ("SUMSQ", [10, 154], [4, -8, 0, 160, 200, -240]),
        ("MEAN", [-2 / 3, 2], [2 / 3, 2 / 3, 2 / 3, 20 / 3, 20 / 3, 20 / 3]),
    ],
)
def test_values_and_gradients(operation, values, diff, dtype):
    layer = layer_from(f'type: "Reduction" reduction_param {{ operation: {operation} axis: 1 coeff: 2 }}', dtype)
    bottom = blob_of(SIX, dtype)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    np.testing.assert_allclose(top[0].data, values, rtol=1e-6)
    top[0].diff[...] = [1, 10]
    run_backward(layer, [bottom], top)
    np.testing.assert_allclose(bottom.diff.ravel(), diff, rtol=1e-6)


@pytest.mark.parametrize("operation", list(NUMPYS))
@pytest.mark.parametrize("shape", [(3, 100_001), (250_000, 1), (70_000, 3), (3, 4096)])
def test_many_values(operation, shape, dtype):
    values = np.random.default_rng(1).normal(size=shape)
    for axis, rows in ((0, values[np.newaxis]), (1, values[:5])):
        top = run_forward(
            f'type: "Reduction" reduction_param {{ operation: {operation} axis: {axis} }}', blob_of(values, dtype)
        )
        have = top.data[:5] if axis else [top.data]
        np.testing.assert_allclose(have, [NUMPYS[operation](row) for row in rows], rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("operation", list(NUMPYS))
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gradient(operation, axis):
    layer = f'type: "Reduction" reduction_param {{ operation: {operation} axis: {axis} coeff: 2.3 }}'
    check_gradient(layer, [spread_values((2, 3, 2))], step=1e-3, threshold=1e-6)


def test_a_scalar_for_axis_0():
    assert run_forward('type: "Reduction"', SIX).shape == ()


@pytest.mark.parametrize("operation", list(NUMPYS))
def test_no_items(operation):
    layer = f'type: "Reduction" reduction_param {{ operation: {operation} }}'
    assert run_forward(layer, np.ones((0, 4))).data == 0
    assert run_forward(layer.replace("}", "axis: 1 }"), np.ones((0, 4))).shape == (0,)
    check_gradient(layer, [np.ones((0, 4))], check_bottom=[])


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 2), ((), 0)])
def test_refuses_an_axis_that_is_not_there(shape, axis):
    with pytest.raises(LayerError, match=rf"reduction_param\.axis is {axis}; (a blob of shape|the bottom is a scalar)"):
        run_forward(f'type: "Reduction" reduction_param {{ axis: {axis} }}', np.ones(shape))
