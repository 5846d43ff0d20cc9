import itertools
from math import prod

import numpy as np
import pytest

from caffelite.core.errors import LayerError, UsageError
from caffelite.core.layers.shared.window import window_from_param
from caffelite.testing import (
    blob_of,
    check_gradient,
    layer_from,
    run_backward,
    run_forward,
    set_up,
    spread_values,
)

GOLDEN = [
    "conv_1x1",
    "conv_basic",
    "conv_depthwise",
    "conv_dilated",
    "conv_edge_filter",
    "conv_group",
    "conv_nd1",
    "conv_nd3",
    "conv_rect",
    "conv_stride_pad",
    "conv_two_bottoms",
]
FILLERS = 'weight_filler { type: "gaussian" std: 1 } bias_filler { value: 0.1 }'


def convolution(fields, fillers=FILLERS, dtype=np.float64):
    return layer_from(f'type: "Convolution" convolution_param {{ {fields} {fillers} }}', dtype)


def normal(*shape, seed=1701):
    return np.random.default_rng(seed).standard_normal(shape)


def convolved(layer, images):
    """Convolve by the definition, a window at a time; images (N, C, ...)."""
    window, weight = layer.window, layer.blobs[0].data
    out = window.convolved(images.shape[2:])
    pads = [(p, p + e) for p, e in zip(window.pad, window.extent, strict=True)]
    padded = np.pad(images, [(0, 0), (0, 0), *pads])
    outputs = np.zeros((len(images), layer.num_output, *out))
    inputs_of_group, outputs_of_group = images.shape[1] // layer.group, layer.num_output // layer.group
    for o, place in itertools.product(range(layer.num_output), np.ndindex(*out)):
        starts = [p * s for p, s in zip(place, window.stride, strict=True)]
        taps = [slice(a, a + e, d) for a, e, d in zip(starts, window.extent, window.dilation, strict=True)]
        first = o // outputs_of_group * inputs_of_group
        windows = padded[(slice(None), slice(first, first + inputs_of_group), *taps)]
        outputs[(slice(None), o, *place)] = (windows * weight[o]).reshape(len(images), -1).sum(axis=1)
    if layer.bias_term:
        outputs += layer.blobs[1].data.reshape(-1, *[1] * len(out))
    return outputs


@pytest.mark.parametrize("name", GOLDEN)
def test_equals_caffe(assert_equals_golden, name, dtype):
    assert_equals_golden(name, dtype)


def test_values_by_hand(dtype):
    layer = convolution("num_output: 1 kernel_size: 2", "bias_filler { value: 0.5 }", dtype)
    bottom = blob_of(np.arange(1, 10).reshape(1, 1, 3, 3), dtype)
    top = set_up(layer, [bottom])[0]
    layer.blobs[0].data[...] = [[[[1, 2], [3, 4]]]]
    layer.forward([bottom], [top])
    np.testing.assert_array_equal(top.data, [[[[37.5, 47.5], [67.5, 77.5]]]])


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 6, 4), "num_output: 4 kernel_size: 3 stride: 2"),
        ((2, 3, 8, 7), "num_output: 4 kernel_size: 3 dilation: 2"),
        ((2, 3, 5, 6, 4), "num_output: 4 kernel_size: 3 stride: 2"),
        ((2, 3, 6, 7, 8), "num_output: 4 kernel_size: 3 dilation: 2"),
        ((2, 3, 6, 4), "num_output: 4 kernel_size: 1"),
        ((2, 3, 6, 4), "num_output: 3 kernel_size: 3 stride: 2 group: 3"),
        ((2, 4, 7, 6), "num_output: 6 kernel_h: 3 kernel_w: 2 stride: 2 pad_w: 1 group: 2"),
        ((2, 3, 6, 4), "num_output: 2 kernel_size: 3 kernel_size: 1 pad: 2 pad: 1 stride: 1 stride: 3 dilation: 1"),
        ((2, 3, 6, 4), "num_output: 2 kernel_size: 1 stride: 2"),
        ((2, 3, 6, 4), "num_output: 2 kernel_size: 1 pad: 1"),
        ((2, 3, 9), "num_output: 2 kernel_size: 3 stride: 2"),
        ((1, 1, 2, 2), "num_output: 1 kernel_size: 3 stride: 2"),
    ],
)
@pytest.mark.parametrize("force_nd", ["", "force_nd_im2col: true"])
def test_forward_is_the_definition(shape, fields, force_nd, dtype):
    layer = convolution(f"{fields} {force_nd}", dtype=dtype)
    bottoms = [blob_of(normal(*shape), dtype), blob_of(normal(*shape, seed=2), dtype)]
    tops = set_up(layer, bottoms)
    layer.forward(bottoms, tops)
    for bottom, top in zip(bottoms, tops, strict=True):
        np.testing.assert_allclose(top.data, convolved(layer, bottom.data), atol=1e-4 if dtype == np.float32 else 1e-12)


def test_shapes_of_tops():
    layer = convolution("num_output: 4 kernel_size: 3 stride: 2")
    tops = set_up(layer, [blob_of(normal(2, 3, 6, 4)), blob_of(normal(2, 3, 6, 4))])
    assert [top.shape for top in tops] == [(2, 4, 2, 1)] * 2
    assert [blob.shape for blob in layer.blobs] == [(4, 3, 3, 3), (4,)]


def test_an_image_smaller_than_the_kernel_gives_one_output_if_the_stride_is_large():
    assert window_from_param(convolution("kernel_size: 3 stride: 2").layer_param.convolution_param, 1).convolved(
        (2,)
    ) == (1,)


def test_without_spatial_axes_it_is_a_matrix_product(dtype):
    layer = convolution("num_output: 3 axis: 3", dtype=dtype)
    bottom = blob_of(normal(2, 3, 6, 4), dtype)
    top = set_up(layer, [bottom])[0]
    layer.forward([bottom], [top])
    assert top.shape == (2, 3, 6, 3)
    assert layer.blobs[0].shape == (3, 4)
    expected = bottom.data @ layer.blobs[0].data.T + layer.blobs[1].data
    np.testing.assert_allclose(top.data, expected, atol=1e-5)


def test_axis_and_leading_axes():
    bottom = normal(2, 3, 4, 6, 5)
    layer = convolution("num_output: 2 kernel_size: 3 axis: -3")
    top = run_forward(layer, bottom)
    assert top.shape == (2, 3, 2, 4, 3)
    np.testing.assert_allclose(top.data.reshape(6, 2, 4, 3), convolved(layer, bottom.reshape(6, 4, 6, 5)), atol=1e-12)


def test_sobel_in_two_steps(dtype):
    bottom = blob_of(normal(2, 3, 6, 4), dtype)

    def run(fields, weight, image):
        layer = convolution(f"num_output: 1 bias_term: false {fields}", "", dtype)
        top = set_up(layer, [image])[0]
        layer.blobs[0].data[...] = weight
        layer.forward([image], [top])
        return top

    whole = run("kernel_size: 3 stride: 2", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], bottom)
    first = run("kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1", [[1], [2], [1]], bottom)
    second = run("kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2", [[-1, 0, 1]], first)
    np.testing.assert_allclose(second.data, whole.data, atol=1e-4)


def test_general_way_equals_the_two_axis_way(dtype):
    bottom = blob_of(normal(3, 18, 22, 26), dtype)
    found = []
    for force_nd in ("false", "true"):
        fields = f"num_output: 12 kernel_h: 11 kernel_w: 13 group: 6 bias_term: false force_nd_im2col: {force_nd}"
        layer = convolution(fields, dtype=dtype)
        top = set_up(layer, [bottom])[0]
        layer.forward([bottom], [top])
        top.diff[...] = top.data
        run_backward(layer, [bottom], [top])
        found.append([top.data.copy(), bottom.diff.copy(), layer.blobs[0].diff.copy()])
    for flat, general in zip(*found, strict=True):
        largest = abs(flat).max()
        np.testing.assert_allclose(flat / largest, general / largest, atol=2e-6 if dtype == np.float32 else 1e-13)


def products(layer, shape, seed=3):
    """Return top data, bottom diff and weight diff for random bottoms and top diffs."""
    bottom = blob_of(normal(*shape, seed=seed), layer.dtype)
    top = set_up(layer, [bottom])[0]
    layer.forward([bottom], [top])
    top.diff[...] = normal(*top.shape, seed=seed + 1)
    layer.blobs[0].diff[...] = 0.25
    run_backward(layer, [bottom], [top])
    return [top.data, bottom.diff, *(blob.diff for blob in layer.blobs)]


FAST_GRID = [
    *itertools.product(
        [(2, 16, 9, 11)], [16, 6], [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (7, 2, 3)], [1, 2], [1]
    ),
    ((1, 3, 31, 29), 8, (11, 4, 0), 1, 1),
    ((2, 8, 14, 14), 8, (3, 1, 1), 8, 1),
    ((2, 8, 14, 14), 8, (3, 2, 1), 8, 1),
    ((2, 4, 12, 12), 8, (3, 1, 2), 1, 2),
    ((3, 32, 28, 28), 40, (3, 1, 1), 1, 1),
    ((3, 64, 14, 14), 48, (1, 1, 0), 1, 1),
    ((8, 1, 28, 28), 20, (5, 1, 0), 1, 1),
    ((2, 3, 2, 2), 4, (3, 2, 0), 1, 1),
    ((2, 30, 25, 23), 15, (4, 1, 1), 3, 1),  # fewer samples than threads, and groups that do not divide among them
    ((3, 54, 9, 24), 33, (7, 1, 3), 3, 1),
    ((5, 48, 1, 1), 24, (1, 1, 0), 1, 1),
]


@pytest.mark.parametrize(("shape", "num_output", "window", "group", "dilation"), FAST_GRID)
def test_fast_kernels_equal_the_plain_products(shape, num_output, window, group, dilation):
    kernel_size, stride, pad = window
    fields = (
        f"num_output: {num_output} kernel_size: {kernel_size} stride: {stride} pad: {pad} group: {group} "
        f"dilation: {dilation}"
    )
    plain_layer = convolution(fields, dtype=np.float64)
    plain = products(plain_layer, shape)
    fast_layer = convolution(fields, dtype=np.float32)
    fast_layer.blobs = [blob_of(blob.data, np.float32) for blob in plain_layer.blobs]
    fast = products(fast_layer, shape)
    winograd = kernel_size == 3 and stride == 1 and dilation == 1
    for ours, expected in zip(fast, plain, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=(5e-5 if winograd else 3e-6) * abs(expected).max())


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 5, 4), "num_output: 2 kernel_size: 3 stride: 2"),
        ((2, 3, 5, 6), "num_output: 2 kernel_size: 3 dilation: 2"),
        ((2, 2, 3, 4, 3), "num_output: 2 kernel_size: 3 pad: 1 stride: 2"),
        ((2, 3, 3, 4), "num_output: 2 kernel_size: 1"),
        ((2, 3, 5, 4), "num_output: 3 kernel_size: 3 stride: 2 group: 3"),
        ((2, 3, 4, 2), "num_output: 3 axis: 3"),
        ((2, 2, 7), "num_output: 3 kernel_size: 3 pad: 2 stride: 2 bias_term: false"),
        ((1, 2, 2, 2), "num_output: 2 kernel_size: 3 stride: 2"),
    ],
)
def test_gradient(shape, fields):
    check_gradient(convolution(fields), bottom=[normal(*shape), normal(*shape, seed=2)])


def test_only_the_gradients_asked_for_are_computed():
    layer = convolution("num_output: 2 kernel_size: 3")
    bottoms = [blob_of(normal(1, 2, 4, 4)), blob_of(normal(1, 2, 4, 4))]
    tops = set_up(layer, bottoms)
    for top in tops:
        top.diff[...] = 1
    layer.param_propagate_down = [False, False]
    run_backward(layer, bottoms, tops, [False, True])
    assert [blob.diff.any() for blob in (*bottoms, *layer.blobs)] == [False, True, False, False]
    layer.param_propagate_down = [True, False]
    run_backward(layer, bottoms, tops, [False, False])
    assert [blob.diff.any() for blob in layer.blobs] == [True, False]


def test_batch_and_size_may_change():
    layer = convolution("num_output: 4 kernel_size: 3 stride: 2")
    bottom = blob_of(normal(2, 3, 6, 4))
    top = set_up(layer, [bottom])[0]
    for shape in [(1, 3, 9, 8), (3, 3, 5, 5), (2, 3, 6, 4)]:
        bottom.reshape(*shape)
        bottom.data[...] = normal(*shape)
        layer.reshape([bottom], [top])
        layer.forward([bottom], [top])
        np.testing.assert_allclose(top.data, convolved(layer, bottom.data), atol=1e-12)
        run_backward(layer, [bottom], [top])


def test_an_empty_batch_gives_an_empty_top(dtype):
    layer = convolution("num_output: 4 kernel_size: 3", dtype=dtype)
    bottom = blob_of(np.empty((0, 3, 6, 4)), dtype)
    top = run_forward(layer, bottom)
    assert top.shape == (0, 4, 4, 2)
    run_backward(layer, [bottom], [top])
    assert not layer.blobs[0].diff.any()


@pytest.mark.parametrize("spatial", [(5, 4), (20,)])
def test_the_products_may_be_called_alone(spatial):
    layer = convolution("num_output: 4 kernel_size: 3 pad: 1 group: 2 stride: 1")
    set_up(layer, [blob_of(normal(1, 2, 5, 4))])
    assert layer.compute_output_shape((5, 4)) == (5, 4)
    image, weight, bias = normal(2, 5, 4), layer.blobs[0].data, layer.blobs[1].data
    output = np.empty((4, *spatial))
    layer.forward_gemm(image, weight, output)
    layer.forward_bias(output, bias)
    np.testing.assert_allclose(output.reshape(1, 4, 5, 4), convolved(layer, image[np.newaxis]), atol=1e-12)
    columns = layer.conv_im2col(image)
    assert columns.shape == (18, 20)
    added = np.empty_like(image)
    layer.conv_col2im(columns, added)
    np.testing.assert_allclose(added[:, 1:-1, 1:-1], 9 * image[:, 1:-1, 1:-1])
    weight_diff, bias_diff, image_diff = np.zeros_like(weight), np.ones(4), np.empty_like(image)
    layer.weight_gemm(image, output, weight_diff)
    layer.backward_gemm(output, weight, image_diff)
    layer.backward_bias(bias_diff, output)
    np.testing.assert_allclose(bias_diff, 1 + output.reshape(4, 20).sum(axis=1))
    plain = output.reshape(4, 20) - bias[:, np.newaxis]
    # both are the gradient of output . plain, so their inner products with what they multiply agree
    np.testing.assert_allclose((weight_diff * weight).sum(), (output.reshape(4, 20) * plain).sum())
    np.testing.assert_allclose((image_diff * image).sum(), (output.reshape(4, 20) * plain).sum())


REFUSALS = [
    ("kernel_size: 3", r"convolution_param\.num_output is 0; use 1 or more"),
    ("num_output: 4", r"convolution_param\.kernel_size is not set; give one number"),
    ("num_output: 4 kernel_size: 0", r"convolution_param\.kernel_size is 0; use 1 or more"),
    ("num_output: 4 kernel_size: 3 kernel_size: 0", r"convolution_param\.kernel_size is 0; use 1 or more"),
    (
        "num_output: 4 kernel_size: 3 kernel_size: 3 kernel_size: 3",
        r"convolution_param\.kernel_size is given 3 times; give it once, or 2 times",
    ),
    ("num_output: 4 kernel_size: 3 stride: 0", r"convolution_param\.stride is 0; use 1 or more"),
    ("num_output: 4 kernel_size: 3 dilation: 0", r"convolution_param\.dilation is 0; use 1 or more"),
    ("num_output: 4 kernel_size: 3 pad: 1 pad: 1 pad: 1", r"convolution_param\.pad is given 3 times"),
    ("num_output: 4 kernel_h: 3", r"convolution_param\.kernel_w is not set; kernel_h and kernel_w go together"),
    ("num_output: 4 kernel_w: 3", r"convolution_param\.kernel_h is not set; kernel_h and kernel_w go together"),
    ("num_output: 4 kernel_h: 3 kernel_w: 0", r"convolution_param\.kernel_w is 0; use 1 or more"),
    ("num_output: 4 kernel_size: 3 stride_h: 2", r"convolution_param\.stride_w is not set; stride_h and stride_w"),
    ("num_output: 4 kernel_size: 3 stride_h: 2 stride_w: 0", r"convolution_param\.stride_w is 0; use 1 or more"),
    (
        "num_output: 4 kernel_size: 3 kernel_h: 3 kernel_w: 3",
        r"convolution_param\.kernel_size is \[3\] beside kernel_h and kernel_w; use either kernel_size or kernel_h",
    ),
    (
        "num_output: 4 kernel_size: 3 stride: 2 stride_w: 2",
        r"convolution_param\.stride is \[2\] beside stride_w; use either stride or stride_h and stride_w",
    ),
    ("num_output: 4 kernel_size: 3 pad: 1 pad_h: 1", r"convolution_param\.pad is \[1\] beside pad_h; use either"),
    ("num_output: 4 kernel_size: 3 group: 2", r"convolution_param\.group is 2; it must divide the 3 channels of"),
    ("num_output: 4 kernel_size: 3 group: 3", r"convolution_param\.group is 3; it must divide the 4 outputs"),
    ("num_output: 4 kernel_size: 3 group: 0", r"convolution_param\.group is 0; use 1 or more"),
    ("num_output: 4 kernel_size: 3 axis: 4", r"convolution_param\.axis is 4; a blob of shape 2 3 6 4 \(144\) has axes"),
    (
        "num_output: 4 kernel_h: 5 kernel_w: 7 pad: 1",
        r"convolution_param\.kernel_size is 5 x 7; its extent of 5 x 7 pixels does not fit a bottom of 6 x 4 with "
        r"pad 1 x 1; use a smaller kernel, more pad or a larger bottom",
    ),
    ("num_output: 4 kernel_size: 3 dilation: 3", r"its extent of 7 x 7 pixels does not fit a bottom of 6 x 4"),
    ("num_output: 4 axis: 2 kernel_h: 1 kernel_w: 1", r"kernel_h is 1; it is for 2 spatial axes and the bottom has 1"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSALS)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(convolution(fields), normal(2, 3, 6, 4))


def test_refuses_bottoms_of_different_shapes():
    layer = convolution("num_output: 2 kernel_size: 3")
    with pytest.raises(
        LayerError, match=r"bottom\[1\] is 2 3 6 5 \(180\); all bottoms must have the shape of bottom\[0\]"
    ):
        run_forward(layer, normal(2, 3, 6, 4), normal(2, 3, 6, 5))


@pytest.mark.parametrize("shape", [(2, 4, 6, 4), (2, 3, 6)])
def test_refuses_other_channels_or_axes_later(shape):
    layer = convolution("num_output: 2 kernel_size: 3")
    bottom = blob_of(normal(2, 3, 6, 4))
    top = set_up(layer, [bottom])
    bottom.reshape(*shape)
    with pytest.raises(LayerError, match=r"was set up for 4 axes with 3 channels on axis 1"):
        layer.reshape([bottom], top)


def test_refuses_weights_of_another_shape():
    layer = convolution("num_output: 2 kernel_size: 3")
    layer.blobs = [blob_of(np.zeros((2, 3, 5, 5))), blob_of(np.zeros(2))]
    with pytest.raises(
        LayerError, match=r"blobs is of shape 2 3 5 5 \(150\), 2 \(2\); this layer has 2 of shape 2 3 3 3"
    ):
        run_forward(layer, normal(2, 3, 6, 4))
    layer.blobs = layer.blobs[:1]
    with pytest.raises(LayerError, match=r"blobs is of shape 2 3 5 5 \(150\); this layer has 2 of shape 2 3 3 3"):
        run_forward(layer, normal(2, 3, 6, 4))


def test_weights_given_beforehand_are_kept():
    layer = convolution("num_output: 1 kernel_size: 2 bias_term: false")
    layer.blobs = [blob_of(spread_values((1, 1, 2, 2)))]
    top = run_forward(layer, np.ones((1, 1, 3, 3)))
    np.testing.assert_allclose(top.data, layer.blobs[0].data.sum())
    assert prod(top.shape) == 4


def test_columns_of_an_image_by_hand():
    layer = convolution("num_output: 1 kernel_size: 2 stride: 2 pad: 1 bias_term: false")
    run_forward(layer, np.zeros((3, 1, 3, 3)))
    columns = layer.columns(np.arange(1, 10).reshape(1, 3, 3))
    # a row for each of the taps 00, 01, 10, 11, a column for each of the windows at -1 and 1 on both axes
    expected = [[[0, 0, 0, 5], [0, 0, 4, 6], [0, 2, 0, 8], [1, 3, 7, 9]]]
    np.testing.assert_array_equal(columns, expected)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 4, 5, 6), "num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2"),
        ((2, 4, 5, 6), "num_output: 3 kernel_size: 1"),
        ((2, 2, 4, 5, 6), "num_output: 3 kernel_size: 2 dilation: 2"),
    ],
)
def test_weight_times_columns_is_the_top(shape, fields, dtype):
    layer = convolution(fields, dtype=dtype)
    images = normal(*shape)
    run_forward(layer, blob_of(images, dtype))
    top = convolved(layer, images)
    columns = layer.columns(images[1])
    assert columns.dtype == dtype
    weight = layer.blobs[0].data.reshape(layer.group, layer.num_output // layer.group, -1)
    products = np.einsum("gok,gkp->gop", weight, columns).reshape(top[1].shape)
    bias = layer.blobs[1].data.reshape(-1, *[1] * (len(shape) - 2))
    np.testing.assert_allclose(products + bias, top[1], rtol=1e-4, atol=1e-4)


def test_columns_are_a_copy():
    layer = convolution("num_output: 1 kernel_size: 1")
    image = normal(2, 3, 3)
    run_forward(layer, image[np.newaxis])
    layer.columns(image)[...] = 7
    assert not (image == 7).any()


def test_columns_refuse_what_is_no_image():
    layer = convolution("num_output: 1 kernel_size: 2")
    run_forward(layer, normal(2, 3, 4, 4))
    with pytest.raises(
        UsageError, match=r'"layer" \(Convolution\): the sample is of shape \(2, 3, 4, 4\); .* \(3, 4, 4\)'
    ):
        layer.columns(normal(2, 3, 4, 4))
    with pytest.raises(UsageError, match=r"the sample is 0, no array; give one image"):
        layer.columns(0)


def test_formula():
    layer = convolution("num_output: 6 kernel_h: 3 kernel_w: 1 stride: 2 pad: 1 dilation: 2 group: 2")
    bottom = [blob_of(normal(1, 4, 8, 8))]
    assert layer.formula_with_numbers(bottom, set_up(layer, bottom)) == (
        "y[n, k, p, q] = b[k] + sum over c < 2, i < 3, j < 1 of w[k, c, i, j] * "
        "x[n, 2 * (k // 3) + c, 2 * p + 2 * i - 1, 2 * q + 2 * j - 1], k < 6"
    )
