import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

FILLERS = 'weight_filler { type: "gaussian" std: 1 } bias_filler { value: 0.1 }'


def deconvolution(fields, fillers=FILLERS, dtype=np.float64):
    return layer_from(f'type: "Deconvolution" convolution_param {{ {fields} {fillers} }}', dtype)


def normal(*shape, seed=1701):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", ["deconv_basic", "deconv_bilinear", "deconv_group"])
def test_equals_caffe(assert_equals_golden, name, dtype):
    assert_equals_golden(name, dtype)


def test_values_by_hand(dtype):
    layer = deconvolution("num_output: 1 kernel_size: 2 bias_term: false", dtype=dtype)
    bottom = blob_of([[[[1, 2], [3, 4]]]], dtype)
    top = set_up(layer, [bottom])[0]
    layer.blobs[0].data[...] = [[1, 2], [3, 4]]
    layer.forward([bottom], [top])
    np.testing.assert_array_equal(top.data, [[[[1, 4, 4], [6, 20, 16], [9, 24, 16]]]])


def test_windows_that_overlap_add_up(dtype):
    layer = deconvolution("num_output: 4 kernel_size: 3 stride: 2", "bias_filler { value: 0.1 }", dtype)
    bottoms = [blob_of(np.ones((2, 3, 6, 4)), dtype), blob_of(np.ones((2, 3, 6, 4)), dtype)]
    tops = set_up(layer, bottoms)
    layer.blobs[0].data[...] = 1
    layer.forward(bottoms, tops)
    rows = np.array([2 if 0 < h < 12 and h % 2 == 0 else 1 for h in range(13)])
    cols = np.array([2 if 0 < w < 8 and w % 2 == 0 else 1 for w in range(9)])
    for top in tops:
        assert top.shape == (2, 4, 13, 9)
        np.testing.assert_allclose(top.data, np.broadcast_to(0.1 + 3 * np.outer(rows, cols), top.shape), rtol=1e-6)


def test_shapes():
    layer = deconvolution("num_output: 6 kernel_size: 3 stride: 2 group: 3")
    assert run_forward(layer, normal(2, 3, 6, 4)).shape == (2, 6, 13, 9)
    assert [blob.shape for blob in layer.blobs] == [(3, 2, 3, 3), (6,)]


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlarges_by_the_usual_recipe(factor):
    fields = f"kernel_size: {2 * factor - factor % 2} stride: {factor} pad: {factor // 2} num_output: 2 group: 2"
    layer = deconvolution(f"{fields} bias_term: false", 'weight_filler { type: "bilinear" }')
    top = run_forward(layer, np.ones((1, 2, 5, 5)))
    assert top.shape == (1, 2, 5 * factor, 5 * factor)
    np.testing.assert_allclose(top.data[..., factor:-factor, factor:-factor], 1)  # flat inside stays flat


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 4, 5, 6), "num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2"),
        ((2, 4, 5, 6), "num_output: 6 kernel_h: 2 kernel_w: 4 stride: 3"),
        ((2, 4, 5, 6), "num_output: 3 kernel_size: 1"),
        ((2, 4, 5, 6), "num_output: 3 kernel_size: 3 dilation: 2 pad: 1"),
        ((3, 16, 7, 7), "num_output: 8 kernel_size: 4 stride: 2 pad: 1"),
        ((2, 32, 14, 14), "num_output: 16 kernel_size: 3 pad: 1"),
        ((2, 4, 9), "num_output: 3 kernel_size: 3 stride: 2"),
    ],
)
def test_it_is_the_transpose_of_the_convolution(shape, fields, dtype):
    layer = deconvolution(f"{fields} bias_term: false", dtype=dtype)
    bottom = blob_of(normal(*shape), dtype)
    top = set_up(layer, [bottom])[0]
    layer.forward([bottom], [top])
    twin = layer_from(f'type: "Convolution" convolution_param {{ {fields} bias_term: false }}', np.float64)
    twin.layer_param.convolution_param.num_output = shape[1]
    twin.blobs = [blob_of(layer.blobs[0].data)]
    image = blob_of(normal(*top.shape, seed=2))
    output = set_up(twin, [image])[0]
    assert output.shape == shape
    twin.forward([image], [output])
    # <deconvolution(x), z> = <x, convolution(z)>
    scale = np.linalg.norm(top.data) * np.linalg.norm(image.data)
    assert abs((top.data * image.data).sum() - (bottom.data * output.data).sum()) < 1e-5 * scale
    output.diff[...] = bottom.data
    run_backward(twin, [image], [output])
    tolerance = 5e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(top.data, image.diff, atol=tolerance * abs(image.diff).max())
    top.diff[...] = image.data
    run_backward(layer, [bottom], [top])
    np.testing.assert_allclose(bottom.diff, output.data, atol=tolerance * abs(output.data).max())
    ours, expected = layer.blobs[0].diff, twin.blobs[0].diff
    np.testing.assert_allclose(ours, expected, atol=tolerance * abs(expected).max())


def test_general_way_equals_the_two_axis_way():
    bottom = blob_of(normal(2, 12, 12, 14))
    found = []
    for force_nd in ("false", "true"):
        fields = f"num_output: 18 kernel_h: 7 kernel_w: 9 group: 6 bias_term: false force_nd_im2col: {force_nd}"
        layer = deconvolution(fields)
        top = set_up(layer, [bottom])[0]
        layer.forward([bottom], [top])
        top.diff[...] = top.data
        run_backward(layer, [bottom], [top])
        found.append([top.data.copy(), bottom.diff.copy(), layer.blobs[0].diff.copy()])
    for flat, general in zip(*found, strict=True):
        np.testing.assert_array_equal(flat, general)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 4, 3), "num_output: 1 kernel_size: 2"),
        ((2, 3, 2, 3, 2), "num_output: 2 kernel_size: 2 stride: 2 pad: 1"),
        ((1, 4, 3, 2), "num_output: 2 kernel_size: 3 stride: 2 group: 2 dilation: 2"),
        ((2, 3), "num_output: 2"),
    ],
)
def test_gradient(shape, fields):
    check_gradient(deconvolution(fields), bottom=[normal(*shape), normal(*shape, seed=2)])


def test_refuses_padding_that_leaves_nothing():
    with pytest.raises(
        LayerError, match=r"convolution_param\.pad is 3 x 3; .* a top of 5 x 5 pixels, and nothing is left"
    ):
        run_forward(deconvolution("num_output: 1 kernel_size: 3 pad: 3"), normal(1, 1, 3, 3))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("num_output: 4 kernel_size: 3 group: 2", r"convolution_param\.group is 2; it must divide the 3 channels"),
        ("num_output: 4 kernel_size: 3 stride_h: 2", r"convolution_param\.stride_w is not set"),
        ("kernel_size: 3", r"convolution_param\.num_output is 0; use 1 or more"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(deconvolution(fields), normal(2, 3, 6, 4))


def test_refuses_weights_in_the_order_of_a_convolution():
    layer = deconvolution("num_output: 4 kernel_size: 3 bias_term: false")
    layer.blobs = [blob_of(np.zeros((4, 3, 3, 3)))]
    with pytest.raises(
        LayerError, match=r"blobs is of shape 4 3 3 3 \(108\); this layer has 1 of shape 3 4 3 3 \(108\)"
    ):
        run_forward(layer, normal(2, 3, 6, 4))


@pytest.mark.parametrize("group", [1, 2])
def test_the_top_is_made_of_the_columns(group):
    layer = deconvolution(f"num_output: 2 kernel_size: 2 stride: 1 group: {group} bias_term: false")
    bottom = normal(2, 4, 2, 3)
    top = run_forward(layer, bottom)
    columns = layer.columns(bottom[1])
    assert columns.shape == (group, 2 * 4 // group, 6)
    image = np.zeros((2, 3, 4))
    for row, column in np.ndindex(8, 6):  # col2im, one value after the other
        channel, tap = divmod(row, 4)
        value = columns.reshape(8, 6)[row, column]
        image[channel, column // 3 + tap // 2, column % 3 + tap % 2] += value
    np.testing.assert_allclose(image, top.data[1])


def test_formula():
    layer = deconvolution("num_output: 2 kernel_size: 4 stride: 2 pad: 1 group: 2 bias_term: false", "")
    bottom = [blob_of(normal(1, 4, 3, 3))]
    assert layer.formula_with_numbers(bottom, set_up(layer, bottom)) == (
        "y[n, k, h, w] = sum over c < 2, i < 4, j < 4 of w[2 * k + c, 0, i, j] * x[n, 2 * k + c, p, q] "
        "where h = 2 * p + i - 1, w = 2 * q + j - 1; k < 2"
    )
