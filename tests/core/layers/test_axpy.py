import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
SCALE, X, Z = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 3, 4, 5))
TEXT = 'type: "Axpy"'


@pytest.mark.parametrize("scale_shape", [(2, 3), (2, 3, 1, 1), (2, 3, 1)])
def test_equals_a_plain_version(scale_shape, dtype):
    blobs = [blob_of(values, dtype) for values in (SCALE.reshape(scale_shape), X, Z)]
    top = run_forward(TEXT, *blobs)
    assert top.shape == X.shape and top.dtype == dtype
    a, x, z = SCALE.astype(dtype), X.astype(dtype), Z.astype(dtype)
    for n, c, h, w in np.ndindex(X.shape):
        assert top.data[n, c, h, w] == a[n, c] * x[n, c, h, w] + z[n, c, h, w]


def test_by_hand_without_spatial_axes(dtype):
    blobs = [blob_of(values, dtype) for values in ([[2, 3]], [[10, 20]], [[1, -1]])]
    np.testing.assert_array_equal(run_forward(TEXT, *blobs).data, [[21, 59]])


def test_gradients_by_hand(dtype):
    layer = layer_from(TEXT, dtype)
    blobs = [blob_of(values, dtype) for values in ([[2, 3]], [[[10, 20], [30, 40]]], np.zeros((1, 2, 2)))]
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    top[0].diff[...] = [[[1, 2], [3, 4]]]
    run_backward(layer, blobs, top)
    np.testing.assert_array_equal(blobs[0].diff, [[50, 250]])
    np.testing.assert_array_equal(blobs[1].diff, [[[2, 4], [9, 12]]])
    np.testing.assert_array_equal(blobs[2].diff, top[0].diff)


@pytest.mark.parametrize("scale_shape", [(2, 3), (2, 3, 1, 1)])
def test_gradient(scale_shape):
    check_gradient(TEXT, [SCALE.reshape(scale_shape), X[..., :2], Z[..., :2]], threshold=1e-7)


def test_a_bottom_without_a_wish_for_its_gradient_keeps_its_diff():
    layer, blobs = layer_from(TEXT), [blob_of(values) for values in (SCALE, X, Z)]
    top = set_up(layer, blobs)
    layer.forward(blobs, top)
    for blob in blobs:
        blob.diff[...] = 7
    layer.backward(top, [False, False, False], blobs)
    assert all((blob.diff == 7).all() for blob in blobs)


def test_other_shapes_and_no_items():
    layer, blobs = layer_from(TEXT), [blob_of(values) for values in (SCALE, X, Z)]
    top = set_up(layer, blobs)
    for shape in ((1, 5, 2, 2), (0, 5, 2, 2), (4, 5)):
        for blob, of in zip(blobs, (shape[:2], shape, shape), strict=True):
            blob.reshape(*of)
            blob.data[...] = 2
        layer.reshape(blobs, top)
        layer.forward(blobs, top)
        np.testing.assert_array_equal(top[0].data, np.full(shape, 6.0), strict=True)
        layer.backward(top, [True] * 3, blobs)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            ((2, 4), X.shape, X.shape),
            r"bottom\[0\] is 2 4 \(8\); give one number for each channel of bottom\[1\]: 2 x 3",
        ),
        (((2, 3, 2, 1), X.shape, X.shape), r"bottom\[0\] is 2 3 2 1 \(12\)"),
        (((2, 3), X.shape, (2, 3, 4, 4)), r"bottom\[2\] is 2 3 4 4 \(96\); it needs the shape of bottom\[1\], 2 3 4 5"),
        (((2,), (2,), (2,)), r"bottom\[1\] is 2 \(2\); it needs axes for items and channels"),
    ],
)
def test_refusals(shapes, message):
    with pytest.raises(LayerError, match=message):
        run_forward(TEXT, *map(np.ones, shapes))


def test_infinite_values_warn_of_nothing(dtype):
    blobs = [blob_of(values, dtype) for values in ([[0.0]], [[np.inf]], [[1.0]])]
    assert np.isnan(run_forward(TEXT, *blobs).data).all()
