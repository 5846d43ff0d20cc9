import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

LARGE, SMALL = spread_values((2, 4, 5, 4)), spread_values((2, 3, 4, 2))
LARGE5, SMALL5 = spread_values((2, 4, 5, 4, 2)), spread_values((2, 3, 4, 2, 1))


def crop(fields=""):
    return f'type: "Crop" crop_param {{ {fields} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("crop")


@pytest.mark.parametrize(
    ("fields", "shape", "wanted"),
    [
        ("axis: 0", (2, 3, 4, 2), (2, 3, 4, 2)),
        ("", (2, 3, 4, 2), (2, 4, 4, 2)),
        ("axis: -1", (2, 3, 4, 2), (2, 4, 5, 2)),
        ("", (2, 5, 4, 2), (2, 4, 4, 2)),
        ("", (2, 5, 4, 2, 9), (2, 4, 4, 2)),
    ],
)
def test_shapes(fields, shape, wanted):
    assert run_forward(crop(fields), LARGE, np.ones(shape)).shape == wanted


@pytest.mark.parametrize(
    ("fields", "bottoms", "part"),
    [
        ("axis: 0", (LARGE, SMALL), np.s_[:2, :3, :4, :2]),
        ("axis: 0 offset: 0 offset: 1 offset: 1 offset: 2", (LARGE, SMALL), np.s_[:2, 1:4, 1:5, 2:4]),
        ("axis: 2 offset: 1 offset: 2", (LARGE, SMALL), np.s_[:, :, 1:5, 2:4]),
        ("axis: 2 offset: 1", (LARGE, SMALL), np.s_[:, :, 1:5, 1:3]),
        ("axis: 2 offset: 1 offset: 2 offset: 0", (LARGE5, SMALL5), np.s_[:, :, 1:5, 2:4, :1]),
    ],
)
def test_values(dtype, fields, bottoms, part):
    top = run_forward(crop(fields), *(blob_of(values, dtype) for values in bottoms))
    np.testing.assert_array_equal(top.data, bottoms[0].astype(dtype)[part])


@pytest.mark.parametrize(
    ("fields", "bottoms"),
    [
        ("axis: 0", (LARGE[:, :, :2, :3], SMALL[:, :, :1, :2])),
        ("axis: 2 offset: 1 offset: 2", (LARGE[:, :2], SMALL[:1])),
        ("axis: 2 offset: 1 offset: 2 offset: 0", (LARGE5[:1, :2], SMALL5)),
    ],
)
def test_gradient(fields, bottoms):
    check_gradient(crop(fields), bottoms, threshold=1e-8)


def test_leaves_the_gradients_that_nobody_wants():
    layer, bottoms = layer_from(crop()), [blob_of(LARGE), blob_of(SMALL)]
    top = set_up(layer, bottoms)
    for blob in bottoms:
        blob.diff[...] = 9
    run_backward(layer, bottoms, top, [False, False])
    assert all((blob.diff == 9).all() for blob in bottoms)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("offset: 2", (2, 3, 4, 2), r"offset is 2; axis 2 of bottom\[0\] has size 5, which is less than offset \+ 4"),
        (
            "offset: 0 offset: 0 offset: 0",
            (2, 3, 4, 2),
            r"offset is given 3 times; give 1 for all, or one for each of 2",
        ),
        ("axis: 4", (2, 3, 4, 2), r"crop_param\.axis is 4"),
        ("", (2, 3, 4), r"bottom\[1\] is 2 3 4 \(24\); it needs the axes of bottom\[0\], 2 4 5 4"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(crop(fields), LARGE, np.ones(shape))


def test_refuses_in_place_use():
    layer, bottoms = layer_from(crop()), [blob_of(LARGE), blob_of(SMALL)]
    with pytest.raises(LayerError, match="Crop does not work in place"):
        layer.reshape(bottoms, bottoms[:1])


@pytest.mark.parametrize(
    ("fields", "shape", "warns"),
    [
        ("", (2, 4, 3, 4), True),
        ("axis: 3", (2, 4, 3, 2), True),
        ("", (2, 4, 4, 3), False),
        ("offset: 0", (2, 4, 3, 4), False),
    ],
)
def test_no_offset_is_told_of_where_much_is_cut_off(fields, shape, warns, caplog):
    """As files of HED's Caffe, which aligned the two by itself, have it."""
    run_forward(crop(fields), LARGE, np.ones(shape))
    said = [text for text in caplog.messages if "(Crop): crop_param.offset is not given, so 2 of an axis" in text]
    assert bool(said) == warns
