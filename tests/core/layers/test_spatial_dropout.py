import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import TEST
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

VALUES = np.random.default_rng(1).normal(2, 0.1, (40, 50, 3, 4))


def spatial(fields="spatial_dropout_param { dropout_ratio: 0.25 }"):
    return f'type: "SpatialDropout" {fields}'


@pytest.mark.parametrize(
    ("fields", "ratio"),
    [
        ("", 0.5),
        ("spatial_dropout_param { dropout_ratio: 0.25 }", 0.25),
        ("dropout_param { dropout_ratio: 0.25 }", 0.25),
        ("dropout_param { dropout_ratio: 0.75 } spatial_dropout_param { dropout_ratio: 0.75 }", 0.75),
    ],
)
def test_drops_its_share_of_channels_and_scales_the_rest(fields, ratio, dtype):
    x = VALUES.astype(dtype)
    y = run_forward(spatial(fields), blob_of(x, dtype)).data
    kept = (y != 0).all((2, 3))
    np.testing.assert_array_equal((y != 0).any((2, 3)), kept)  # a channel is dropped whole or not at all
    np.testing.assert_allclose(y, np.where(kept[:, :, None, None], x / (1 - ratio), 0), rtol=1e-6)
    assert abs(kept.mean() - (1 - ratio)) < 4 * np.sqrt(ratio * (1 - ratio) / kept.size)


def test_the_mask_depends_on_the_pass():
    layer = layer_from(spatial(""))
    masks = []
    for layer.context.passes in (0, 1, 0):
        masks.append(run_forward(layer, VALUES).data != 0)
    np.testing.assert_array_equal(masks[0], masks[2])
    assert abs((masks[0] == masks[1]).mean() - 0.5) < 0.1


def test_test_passes_everything_on():
    layer, bottom = layer_from(spatial(), phase=TEST), blob_of(VALUES)
    top = run_forward(layer, bottom)
    np.testing.assert_array_equal(top.data, VALUES)
    top.diff[...] = VALUES
    run_backward(layer, [bottom], [top])
    np.testing.assert_array_equal(bottom.diff, VALUES)


def test_a_nan_that_is_dropped_is_gone():
    y = run_forward(spatial(""), np.full((100, 3, 2), np.nan)).data
    assert (y == 0).any() and np.isnan(y).any()


@pytest.mark.parametrize("phase", [0, TEST])
def test_gradient(phase):
    check_gradient(layer_from(spatial(""), phase=phase), [VALUES[:3, :4, :2, :2]], threshold=1e-6)


def test_works_in_place(check_in_place, dtype):
    check_in_place(spatial(), VALUES[:3], dtype=dtype)


def test_other_sizes_and_an_empty_batch():
    layer, bottom = layer_from(spatial()), blob_of(VALUES)
    top = set_up(layer, [bottom])
    for shape in ((0, 50, 3, 4), (7, 3), (2, 5, 6)):
        bottom.reshape(*shape)
        bottom.data[...] = 3
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        run_backward(layer, [bottom], top)
        assert set(np.unique(top[0].data)) <= {0, 4}


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        (
            "dropout_param { dropout_ratio: 1 }",
            (2, 3),
            r"^dropout_param\.dropout_ratio is 1; use a share from 0 to less",
        ),
        ("spatial_dropout_param { dropout_ratio: -1 }", (2, 3), r"^spatial_dropout_param\.dropout_ratio is -1; use a"),
        (
            "dropout_param { dropout_ratio: 0.1 } spatial_dropout_param { dropout_ratio: 0.2 }",
            (2, 3),
            r"dropout_param\.dropout_ratio is 0\.1; spatial_dropout_param\.dropout_ratio is 0\.2; leave out one",
        ),
        ("", (3,), r"bottom\[0\] is 3 \(3\); channels are on axis 1"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(spatial(fields), np.ones(shape))
