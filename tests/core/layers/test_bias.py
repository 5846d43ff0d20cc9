import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1701)
BOTTOM = RNG.uniform(1, 10, (2, 3, 4, 5))
SMALL = RNG.uniform(1, 10, (2, 3, 2, 2))
GAUSSIAN = 'filler { type: "gaussian" }'

# axis, num_axes, the shape of the bias on BOTTOM and how it is broadcast there, and the shape on SMALL
PLACES = {
    "eltwise": (0, -1, (2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 2, 2)),
    "begin": (0, 2, (2, 3), (2, 3, 1, 1), (2, 3)),
    "middle": (1, 2, (3, 4), (3, 4, 1), (3, 2)),
    "end": (2, 2, (4, 5), (4, 5), (2, 2)),
    "scalar": (1, 0, (), (), ()),
}


def bias(fields=""):
    return f'type: "Bias" bias_param {{ {fields} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("bias")


@pytest.mark.parametrize("place", PLACES)
def test_adds_the_second_bottom(dtype, place):
    axis, _, shape, wide, _ = PLACES[place]
    other = RNG.uniform(1, 10, shape)
    top = run_forward(bias(f"axis: {axis}"), blob_of(BOTTOM, dtype), blob_of(other, dtype))
    np.testing.assert_allclose(top.data, BOTTOM + other.reshape(wide), rtol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_adds_a_learned_bias(dtype, place):
    axis, num_axes, shape, wide, _ = PLACES[place]
    layer = layer_from(bias(f"axis: {axis} num_axes: {num_axes} {GAUSSIAN}"), dtype)
    top = run_forward(layer, blob_of(BOTTOM, dtype))
    assert [blob.shape for blob in layer.blobs] == [shape]
    np.testing.assert_allclose(top.data, BOTTOM + layer.blobs[0].data.reshape(wide), rtol=1e-6, atol=1e-6)


def test_a_bias_starts_at_0():
    np.testing.assert_array_equal(run_forward(bias(), BOTTOM).data, BOTTOM)


@pytest.mark.parametrize("place", PLACES)
def test_gradient(place):
    axis, num_axes, _, _, shape = PLACES[place]
    check_gradient(bias(f"axis: {axis}"), [SMALL, RNG.uniform(1, 10, shape)], threshold=1e-8)
    check_gradient(bias(f"axis: {axis} num_axes: {num_axes} {GAUSSIAN}"), [SMALL], threshold=1e-8)


@pytest.mark.parametrize("place", PLACES)
def test_works_in_place(check_in_place, dtype, place):
    axis, num_axes, shape, _, _ = PLACES[place]
    check_in_place(bias(f"axis: {axis}"), BOTTOM, RNG.uniform(1, 10, shape), dtype=dtype)
    check_in_place(bias(f"axis: {axis} num_axes: {num_axes} {GAUSSIAN}"), BOTTOM, dtype=dtype)


def test_gradients_of_several_passes_add_up():
    layer, bottom = layer_from(bias()), blob_of(np.ones((1, 2, 3)))
    top = set_up(layer, [bottom])
    top[0].diff[...] = 1
    for passes in (1, 2):
        run_backward(layer, [bottom], top)
        np.testing.assert_array_equal(layer.blobs[0].diff, [3 * passes] * 2)


def test_leaves_the_gradients_that_nobody_wants():
    layer, bottom = layer_from(bias()), blob_of(BOTTOM)
    top = set_up(layer, [bottom])
    layer.param_propagate_down = [False]
    bottom.diff[...] = layer.blobs[0].diff[...] = 9
    run_backward(layer, [bottom], top, [False])
    assert (bottom.diff == 9).all() and (layer.blobs[0].diff == 9).all()


@pytest.mark.parametrize(
    ("fields", "shapes", "message"),
    [
        ("axis: -3", [(2, 3)], r"bias_param\.axis is -3; a blob of shape 2 3 \(6\) has axes -2 to 1"),
        ("axis: 1 num_axes: 2", [(2, 3)], r"bias_param\.num_axes is 2; .* has 1 axes from 1 on"),
        ("", [(2, 3), (2,)], r"bottom\[1\] is 2 \(2\); an operand of 2 \(2\) cannot lie on axis 1"),
    ],
)
def test_refusals(fields, shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(bias(fields), *map(np.ones, shapes))
