import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import layer_from, run_forward, set_up


def dummy(fields):
    return layer_from(f'type: "DummyData" dummy_data_param {{ {fields} }}')


SHAPE = "shape { dim: 2 dim: 3 } "


def test_zeros_without_a_filler():
    layer = dummy("num: 5 channels: 3 height: 2 width: 4")
    (top,) = set_up(layer, [])
    assert top.shape == (5, 3, 2, 4)
    assert not top.data.any()
    layer.forward([], [top])
    assert not top.data.any()


def test_one_filler_for_all_tops():
    layer = dummy("num: 5 num: 5 channels: 3 height: 2 height: 1 width: 4 data_filler { value: 7 }")
    top = run_forward(layer, top_count=2)
    assert [blob.shape for blob in top] == [(5, 3, 2, 4), (5, 3, 1, 4)]
    assert all((blob.data == 7).all() for blob in top)


def test_one_shape_for_all_tops():
    assert [blob.shape for blob in run_forward(dummy("shape { dim: 4 }"), top_count=3)] == [(4,)] * 3
    (top,) = set_up(dummy("shape { }"), [])
    assert top.shape == ()


def test_random_fillers_draw_in_each_pass_and_constants_once():
    gaussian = 'data_filler { type: "gaussian" mean: 3 std: 0.01 }'
    layer = dummy(SHAPE + f"data_filler {{ value: 7 }} {gaussian} data_filler {{ value: 9 }}")
    top = set_up(layer, [], 3)
    assert [set(blob.data.ravel()) for blob in top] == [{7}, {0}, {9}]
    seen = set()
    for layer.context.passes in range(3):
        layer.forward([], top)
        assert abs(top[1].data - 3).max() < 0.1
        assert [set(blob.data.ravel()) for blob in (top[0], top[2])] == [{7}, {9}]
        seen |= set(top[1].data.ravel())
    assert len(seen) == 18


def test_draws_depend_on_the_pass_alone():
    layer, other = (dummy(SHAPE + 'data_filler { type: "uniform" }') for _ in range(2))
    top, other_top = set_up(layer, [], 2), set_up(other, [], 2)
    for layer.context.passes in range(3):
        layer.forward([], top)
    other.context.passes = 2
    other.forward([], other_top)
    np.testing.assert_array_equal(top[0].data, other_top[0].data)
    assert not np.array_equal(top[0].data, top[1].data)


def test_a_constant_stays_overwritten():
    layer = dummy(SHAPE + "data_filler { value: 7 }")
    top = set_up(layer, [])
    top[0].data[...] = 5
    layer.forward([], top)
    assert (top[0].data == 5).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            SHAPE + "data_filler { } data_filler { }",
            r"data_filler is given 2 times; Number of data fillers must be 0, 1 or equal to the number of tops: 3",
        ),
        (SHAPE + "num: 1", "shape is given beside num, .*; Both shape and legacy fields were specified"),
        ("num: 1", "channels is given 0 times; write it once, or once per top blob: 3"),
        ("num: 1 num: 2 channels: 1 height: 1 width: 1", "num is given 2 times"),
        (SHAPE * 2, "shape is given 2 times; write it once, or once per top blob: 3"),
        ("", "shape is given 0 times"),
        (
            SHAPE + 'data_filler { type: "gauss" }',
            r'data_filler\[0\]\.type is "gauss"; Unknown filler name: did you mean',
        ),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=r"dummy_data_param\." + message):
        set_up(dummy(fields), [], 3)


def test_a_filler_that_refuses_its_values_does_so_in_the_first_forward():
    layer = dummy(SHAPE + 'data_filler { type: "gaussian" std: 0 }')
    top = set_up(layer, [])
    with pytest.raises(LayerError, match="std is 0"):
        layer.forward([], top)


def test_values_that_a_filler_refuses_are_of_the_filler_with_this_number():
    layer = dummy(SHAPE + 'data_filler {} data_filler { type: "uniform" min: 2 } data_filler {}')
    top = set_up(layer, [], 3)
    with pytest.raises(LayerError, match=r"^dummy_data_param\.data_filler\[1\]\.min is 2\.0; it must not be above max"):
        layer.forward([], top)
