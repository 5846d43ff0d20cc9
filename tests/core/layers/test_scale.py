import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1701)
BOTTOM = RNG.uniform(1, 10, (2, 3, 4, 5))
SMALL = RNG.uniform(1, 10, (2, 3, 2, 2))
GAUSSIAN = 'filler { type: "gaussian" } bias_filler { type: "gaussian" }'

# axis, num_axes, and the shape of the scale on BOTTOM and on SMALL
PLACES = {
    "eltwise": (0, -1, (2, 3, 4, 5), (2, 3, 2, 2)),
    "begin": (0, 2, (2, 3), (2, 3)),
    "middle": (1, 2, (3, 4), (3, 2)),
    "channel": (1, 1, (3,), (3,)),
    "end": (2, 2, (4, 5), (2, 2)),
    "scalar": (2, 0, (), ()),
}


def scale(fields=""):
    return f'type: "Scale" scale_param {{ {fields} }}'


def spread_out(values, axis, shape):
    """`values` of `shape`, which begins at `axis`, with axes of size 1 for those after it."""
    return np.reshape(values, shape + (1,) * (4 - axis - len(shape) if shape else 0))


@pytest.mark.parametrize("name", ["scale", "scale_axis", "scale_two"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize("place", PLACES)
def test_multiplies_by_the_second_bottom(dtype, place):
    axis, _, shape, _ = PLACES[place]
    other = RNG.uniform(1, 10, shape)
    top = run_forward(scale(f"axis: {axis}"), blob_of(BOTTOM, dtype), blob_of(other, dtype))
    np.testing.assert_allclose(top.data, BOTTOM * spread_out(other, axis, shape), rtol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_multiplies_by_a_learned_scale_and_adds_a_bias(dtype, place):
    axis, num_axes, shape, _ = PLACES[place]
    layer = layer_from(scale(f"axis: {axis} num_axes: {num_axes} bias_term: true {GAUSSIAN}"), dtype)
    top = run_forward(layer, blob_of(BOTTOM, dtype))
    assert [blob.shape for blob in layer.blobs] == [shape, shape]
    weight, bias = (spread_out(blob.data, axis, shape) for blob in layer.blobs)
    np.testing.assert_allclose(top.data, BOTTOM * weight + bias, rtol=1e-5, atol=1e-5)


def test_a_scale_starts_at_1_and_a_filler_without_fields_at_0():
    np.testing.assert_array_equal(run_forward(scale(), BOTTOM).data, BOTTOM)
    np.testing.assert_array_equal(run_forward(scale("filler {}"), BOTTOM).data, 0 * BOTTOM)


@pytest.mark.parametrize("place", PLACES)
def test_gradient_of_two_bottoms(place):
    axis, _, _, shape = PLACES[place]
    check_gradient(scale(f"axis: {axis}"), [SMALL, RNG.uniform(1, 10, shape)], threshold=1e-8)


@pytest.mark.parametrize("bias_term", ["true", "false"])
@pytest.mark.parametrize("place", PLACES)
def test_gradient_of_a_learned_scale(place, bias_term):
    axis, num_axes, _, _ = PLACES[place]
    fields = f"axis: {axis} num_axes: {num_axes} bias_term: {bias_term} {GAUSSIAN}"
    check_gradient(scale(fields), [SMALL], threshold=1e-8)


def test_gradient_of_a_scalar_bottom_and_a_bias():
    check_gradient(scale(f"bias_term: true {GAUSSIAN}"), [SMALL, np.float64(3)], threshold=1e-8)


@pytest.mark.parametrize("place", PLACES)
def test_works_in_place(check_in_place, dtype, place):
    axis, num_axes, shape, _ = PLACES[place]
    check_in_place(scale(f"axis: {axis}"), BOTTOM, RNG.uniform(1, 10, shape), dtype=dtype)
    check_in_place(scale(f"axis: {axis} num_axes: {num_axes} bias_term: true {GAUSSIAN}"), BOTTOM, dtype=dtype)


@pytest.mark.parametrize("shape", [(1, 2, 1, 2), (2, 2, 1, 2), (3, 2)])
def test_gradients_of_several_passes_add_up(shape):
    """Also with one item before the axis, where Caffe keeps the last pass only."""
    layer, bottom = layer_from(scale()), blob_of(np.ones(shape))
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = 1
    for passes in (1, 2):
        run_backward(layer, [bottom], top)
        np.testing.assert_array_equal(layer.blobs[0].diff, [passes * bottom.count / 2] * 2)


def test_leaves_the_gradients_that_nobody_wants():
    layer, bottoms = layer_from(scale(f"bias_term: true {GAUSSIAN}")), [blob_of(BOTTOM), blob_of(np.ones(3))]
    top = set_up(layer, bottoms)
    layer.param_propagate_down = [False]
    for blob in [*bottoms, *layer.blobs]:
        blob.diff[...] = 9
    run_backward(layer, bottoms, top, [False, False])
    assert all((blob.diff == 9).all() for blob in [*bottoms, *layer.blobs])


@pytest.mark.parametrize("shape", [(2, 5, 150, 151), (3000, 70), (2, 6000, 9), (1, 2, 100003)])
def test_large_bottoms_are_shared_out(shape):
    values, diff = RNG.normal(size=(2, *shape)).astype(np.float32)
    layer, bottom = layer_from(scale("bias_term: true"), np.float32), blob_of(values, np.float32)
    top = set_up(layer, [bottom])
    layer.forward([bottom], top)
    top[0].diff[...] = diff
    run_backward(layer, [bottom], top)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_array_equal(top[0].data, values)
    np.testing.assert_allclose(layer.blobs[0].diff, (diff * values).sum(axes, np.float64), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(layer.blobs[1].diff, diff.sum(axes, np.float64), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(bottom.diff, diff)


@pytest.mark.parametrize(
    ("fields", "shapes", "message"),
    [
        ("axis: 4", [(2, 3, 4, 5)], r"scale_param\.axis is 4; a blob of shape 2 3 4 5 \(120\) has axes -4 to 3"),
        ("num_axes: -2", [(2, 3)], r"scale_param\.num_axes is -2; use 0 or more, or -1"),
        ("axis: 2 num_axes: 3", [(2, 3, 4, 5)], r"num_axes is 3; .* has 2 axes from 2 on"),
        ("", [(2, 3, 4), (4, 3)], r"bottom\[1\] is 4 3 \(12\); .* cannot lie on axis 1 and following of 2 3 4 \(24\)"),
        ("", [(2, 3), (3, 1)], r"bottom\[1\] is 3 1 \(3\)"),
    ],
)
def test_refusals(fields, shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(scale(fields), *map(np.ones, shapes))


def test_refuses_another_number_of_channels():
    layer, bottom = layer_from(scale()), blob_of(np.ones((2, 3, 4)))
    top = set_up(layer, [bottom])
    bottom.reshape(2, 4, 3)
    with pytest.raises(LayerError, match=r"bottom\[0\] is 2 4 3 \(24\); an operand of 3 \(3\) cannot lie on axis 1"):
        layer.reshape([bottom], top)
