import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("name", ["concat", "concat_axis0"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


def test_joins_values_and_parts_gradients(dtype):
    bottoms = [blob_of([[1], [2]], dtype), blob_of([[3, 4], [5, 6]], dtype)]
    layer = layer_from('type: "Concat"', dtype)
    top = set_up(layer, bottoms)
    layer.forward(bottoms, top)
    np.testing.assert_array_equal(top[0].data, [[1, 3, 4], [2, 5, 6]])
    top[0].diff[...] = np.arange(1, 7).reshape(2, 3)
    bottoms[1].diff[...] = 9
    run_backward(layer, bottoms, top, [True, False])
    np.testing.assert_array_equal(bottoms[0].diff, [[1], [4]])
    assert (bottoms[1].diff == 9).all()


@pytest.mark.parametrize("fields", ["axis: 0", "concat_dim: 1", "axis: -2", ""])
def test_gradient(fields):
    bottoms = [RNG.normal(size=(2, 2, 2)), RNG.normal(size=(2, 2, 2))]
    check_gradient(f'type: "Concat" concat_param {{ {fields} }}', bottoms, threshold=1e-8)


def test_a_single_bottom_is_passed_on():
    values = RNG.normal(size=(2, 3))
    np.testing.assert_array_equal(run_forward('type: "Concat"', values).data, values)


@pytest.mark.parametrize(
    ("fields", "shapes", "message"),
    [
        ("", [(2, 3), (3, 3)], r"bottom\[1\] is 3 3 \(9\); all sizes but that of axis 1 .* 2 3 \(6\)"),
        ("", [(2, 3), (2, 3, 1)], r"bottom\[1\] is 2 3 1 \(6\)"),
        ("axis: 1 concat_dim: 1", [(2, 3)], r"concat_dim is 1; either axis or concat_dim, not both"),
        ("concat_dim: 2", [(2, 3)], r"concat_param\.concat_dim is 2; a blob of shape"),
    ],
)
def test_refusals(fields, shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f'type: "Concat" concat_param {{ {fields} }}', *map(np.ones, shapes))


def test_refuses_in_place_use():
    layer, bottoms = layer_from('type: "Concat"'), [blob_of(np.ones((2, 3))), blob_of(np.ones((2, 3)))]
    with pytest.raises(LayerError, match="does not work in place"):
        layer.reshape(bottoms, bottoms[:1])
