import numpy as np
import pytest

from caffelite.core.errors import LayerError, UsageError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values

RNG = np.random.default_rng(1)
MAGIC = [
    [35, 1, 6, 26, 19, 24],
    [3, 32, 7, 21, 23, 25],
    [31, 9, 2, 22, 27, 20],
    [8, 28, 33, 17, 10, 15],
    [30, 5, 34, 12, 14, 16],
    [4, 36, 29, 13, 18, 11],
]
SPP = 'type: "SPP" spp_param { pyramid_height: 3 }'
LOWEST = np.float32(-3.4028235e38)


def pool(fields):
    return f'type: "Pooling" pooling_param {{ {fields} }}'


def planes(plane, dtype=np.float64):
    return blob_of(np.tile(plane, (2, 2, 1, 1)), dtype)


@pytest.mark.parametrize(
    "name",
    ["pool_max", "pool_max_pad", "pool_max_overlap", "pool_max_mask", "pool_ave", "pool_ave_pad", "pool_ave_global"],
)
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(name)


@pytest.mark.parametrize(
    ("fields", "want", "places"),
    [
        (
            "kernel_h: 3 kernel_w: 2",
            [[35, 32, 26, 27, 27], [32, 33, 33, 27, 27], [31, 34, 34, 27, 27], [36, 36, 34, 18, 18]],
            [[0, 7, 3, 16, 16], [7, 20, 20, 16, 16], [12, 26, 26, 16, 16], [31, 31, 26, 34, 34]],
        ),
        (
            "kernel_h: 2 kernel_w: 3",
            [[35, 32, 26, 26], [32, 32, 27, 27], [33, 33, 33, 27], [34, 34, 34, 17], [36, 36, 34, 18]],
            [[0, 7, 3, 3], [7, 7, 16, 16], [20, 20, 20, 16], [26, 26, 26, 21], [31, 31, 26, 34]],
        ),
    ],
)
def test_max_of_rectangles(fields, want, places, dtype):
    top = run_forward(pool(fields), planes(MAGIC, dtype), top_count=2)
    np.testing.assert_array_equal(top[0].data, np.tile(want, (2, 2, 1, 1)))
    np.testing.assert_array_equal(top[1].data, np.tile(places, (2, 2, 1, 1)))
    assert (run_forward(pool(fields), planes(MAGIC, dtype)).data == top[0].data).all()


def test_max_takes_the_first_of_equal_values(dtype):
    bottom = planes([[1, 2, 5, 2, 3], [9, 4, 1, 4, 8], [1, 2, 5, 2, 3]], dtype)
    top = run_forward(pool("kernel_size: 2"), bottom, top_count=2)
    np.testing.assert_array_equal(top[0].data[0, 0], [[9, 5, 5, 8], [9, 5, 5, 8]])
    np.testing.assert_array_equal(top[1].data[1, 1], [[5, 2, 2, 9], [5, 12, 12, 9]])


def test_max_with_padding(dtype):
    top = run_forward(pool("kernel_size: 3 stride: 2 pad: 2"), planes([[1, 2, 4], [2, 3, 2], [4, 2, 1]], dtype))
    np.testing.assert_array_equal(top.data[1, 0], [[1, 4, 4], [4, 4, 4], [4, 4, 1]])


@pytest.mark.parametrize("size", [3, 4])
def test_windows_behind_the_image(size):
    # 3 pixels with kernel 1 and stride 3, or 4 with stride 2: rounded up, the last window holds nothing
    fields = f"kernel_size: 1 stride: {6 - size}"
    layer, bottom = layer_from(pool(fields)), blob_of(np.ones((1, 1, size, size)))
    top = set_up(layer, [bottom], 2)
    layer.forward([bottom], top)
    assert (top[0].data[0, 0, -1, -1], top[1].data[0, 0, -1, -1]) == (LOWEST, -1)
    top[0].diff[...] = 1
    run_backward(layer, [bottom], top)
    assert bottom.diff.sum() == (top[1].data >= 0).sum()
    assert run_forward(pool(fields + " pool: AVE"), bottom).data[0, 0, -1, -1] == 0


def test_ave_counts_padding_but_nothing_beyond_it(dtype):
    top = run_forward(pool("pool: AVE kernel_size: 3 pad: 1"), planes(np.full((3, 3), 2), dtype))
    np.testing.assert_allclose(top.data[0, 0], [[8 / 9, 4 / 3, 8 / 9], [4 / 3, 2, 4 / 3], [8 / 9, 4 / 3, 8 / 9]], 1e-6)
    top = run_forward(pool("pool: AVE kernel_size: 3 stride: 2 pad: 1"), planes(np.ones((4, 4)), dtype))
    want = [[4 / 9, 2 / 3, 1 / 3], [2 / 3, 1, 1 / 2], [1 / 3, 1 / 2, 1 / 4]]
    np.testing.assert_allclose(top.data[1, 1], want, 1e-6)


@pytest.mark.parametrize("kind", ["MAX", "AVE"])
def test_global_pooling_follows_the_bottoms_size(kind):
    layer, bottom = layer_from(pool(f"pool: {kind} global_pooling: true")), blob_of(RNG.normal(size=(2, 3, 6, 5)))
    top = set_up(layer, [bottom])
    for shape in ((2, 3, 6, 5), (1, 2, 3, 9)):
        bottom.reshape(*shape)
        bottom.data[...] = RNG.normal(size=shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        want = bottom.data.max(axis=(2, 3)) if kind == "MAX" else bottom.data.mean(axis=(2, 3))
        np.testing.assert_allclose(top[0].data[:, :, 0, 0], want)
        top[0].diff[...] = 1
        run_backward(layer, [bottom], top)
        np.testing.assert_allclose(bottom.diff.sum(axis=(2, 3)), 1)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "ceil", "floor"),
    [
        (6, 3, 2, 0, 3, 2), (5, 3, 2, 0, 2, 2), (6, 3, 2, 1, 4, 3), (5, 3, 2, 1, 3, 3), (3, 3, 2, 2, 3, 3),
        (4, 3, 2, 1, 3, 2), (112, 3, 2, 0, 56, 55), (7, 2, 2, 1, 4, 4), (2, 3, 2, 0, 1, 0), (2, 3, 1, 0, 0, 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["CEIL", "FLOOR"])
def test_size_of_the_top(size, kernel, stride, pad, ceil, floor, mode):
    text = pool(f"kernel_size: {kernel} stride: {stride} pad: {pad} round_mode: {mode}")
    want = {"CEIL": ceil, "FLOOR": floor}[mode]
    if want == 0:
        with pytest.raises(LayerError, match="it is larger than the bottom"):
            run_forward(text, np.ones((1, 1, size, size)))
    else:
        assert run_forward(text, np.ones((1, 1, size, size))).shape == (1, 1, want, want)


@pytest.mark.parametrize("kernel_h", [3, 4])
@pytest.mark.parametrize("kernel_w", [3, 4])
@pytest.mark.parametrize("kind", ["MAX pad: 1", "MAX", "AVE", "AVE pad: 2"])
def test_gradient(kernel_h, kernel_w, kind):
    text = pool(f"kernel_h: {kernel_h} kernel_w: {kernel_w} stride: 2 pool: {kind}")
    check_gradient(text, [spread_values((2, 2, 6, 5))], step=1e-4, threshold=1e-6)


def test_gradient_with_the_second_top():
    layer = layer_from(pool("kernel_size: 3 stride: 2"))
    check_gradient(layer, [spread_values((2, 2, 6, 5))], top_count=2, check_top=[0], step=1e-4, threshold=1e-6)


def test_gradients_go_to_the_places_that_the_second_top_names():
    layer, bottom = layer_from(pool("kernel_size: 2 stride: 2")), blob_of(np.ones((1, 1, 2, 2)))
    top = set_up(layer, [bottom], 2)
    layer.forward([bottom], top)
    top[1].data[...] = 3
    top[0].diff[...] = 5
    run_backward(layer, [bottom], top)
    np.testing.assert_array_equal(bottom.diff[0, 0], [[0, 0], [0, 5]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"pooling_param\.kernel_size is not given; Filter size is kernel_size OR kernel_h and kernel_w"),
        ("kernel_h: 2", r"pooling_param\.kernel_size is not given"),
        ("kernel_size: 2 kernel_h: 2 kernel_w: 2", r"given together with kernel_h and kernel_w"),
        ("kernel_size: 0", r"pooling_param\.kernel_size is 0; use 1 or more"),
        ("kernel_h: 2 kernel_w: 0", r"pooling_param\.kernel_h is 0; use 1 or more|pooling_param\.kernel_w is 0"),
        ("kernel_size: 2 stride: 0", r"pooling_param\.stride is 0; use 1 or more \(2 halves height and width\)"),
        ("kernel_size: 2 stride_h: 1", r"pooling_param\.stride_h is 1; Stride is stride OR stride_h and stride_w"),
        ("kernel_size: 2 stride: 1 stride_h: 1 stride_w: 1", r"pooling_param\.stride_h is 1; Stride is stride OR"),
        ("kernel_size: 2 pad_w: 1", r"pooling_param\.pad_w is 1; Pad is pad OR pad_h and pad_w"),
        ("kernel_size: 2 pad: 2", r"pooling_param\.pad is 2; it must be smaller than the kernel, which is 2 x 2"),
        ("global_pooling: true kernel_size: 2", r"pooling_param\.kernel_size is 2; With global_pooling"),
        ("global_pooling: true pad: 1", r"pooling_param\.global_pooling is true; it needs pad 0 and stride 1"),
        ("global_pooling: true stride: 2", r"pooling_param\.global_pooling is true; it needs pad 0 and stride 1"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(pool(fields), np.ones((1, 1, 6, 5)))


def test_refuses_other_than_four_axes():
    with pytest.raises(LayerError, match=r"bottom\[0\] is 4 4 \(16\); Input must have 4 axes"):
        run_forward(pool("kernel_size: 2"), np.ones((4, 4)))


def test_refuses_a_second_top_of_the_mean():
    with pytest.raises(LayerError, match="top is given 2 times"):
        run_forward(pool("pool: AVE kernel_size: 2"), np.ones((1, 1, 4, 4)), top_count=2)


def test_has_no_columns():
    layer = layer_from('type: "Pooling" pooling_param { kernel_size: 2 }')
    run_forward(layer, spread_values((1, 1, 4, 4)))
    with pytest.raises(
        UsageError, match=r'"layer" \(Pooling\) has no im2col matrix: .* Convolution, Deconvolution and'
    ):
        layer.columns(spread_values((1, 4, 4)))


@pytest.mark.parametrize("place", [-2, 36, 1e9, np.nan])
def test_refuses_places_outside_the_image(place):
    layer, bottom = layer_from(pool("kernel_size: 3 stride: 3")), planes(MAGIC)
    top = set_up(layer, [bottom], top_count=2)
    layer.forward([bottom], top)
    top[1].data[1, 0, 1, 1] = place
    with pytest.raises(LayerError, match=r"^top\[1\] is .*; it holds places of pixels, 0 to 35, or -1 for none$"):
        layer.backward(top, [True], [bottom])


@pytest.mark.parametrize("text", [pool("kernel_size: 2"), pool("kernel_size: 2 pool: STOCHASTIC"), SPP])
def test_a_pass_back_before_the_first_forward_writes_nothing_outside_the_image(text):
    layer, bottom = layer_from(text), blob_of(RNG.uniform(size=(8, 8, 32, 32)))
    (top,) = set_up(layer, [bottom])
    top.diff[...] = 1
    layer.backward([top], [True], [bottom])
    assert not bottom.diff.any()


SIZES = np.arange(2 * 6 * 7, dtype=np.float64).reshape(1, 2, 6, 7)


@pytest.mark.parametrize("pool", ["MAX", "AVE", "STOCHASTIC"])
@pytest.mark.parametrize("fields", ["ceil_mode: false", "torch_pooling: true"])
def test_forks_other_names_of_rounding_down(pool, fields):
    wanted, found = (
        run_forward(f'type: "Pooling" pooling_param {{ pool: {pool} kernel_size: 3 stride: 2 {text} }}', SIZES)
        for text in ("round_mode: FLOOR", fields)
    )
    assert found.shape == wanted.shape == (1, 2, 2, 3)
    np.testing.assert_array_equal(found.data, wanted.data)


@pytest.mark.parametrize("fields", ["", "ceil_mode: true", "torch_pooling: false", "ceil_mode: true round_mode: CEIL"])
def test_rounding_up_is_the_default(fields):
    top = run_forward(f'type: "Pooling" pooling_param {{ kernel_size: 3 stride: 2 {fields} }}', SIZES)
    assert top.shape == (1, 2, 3, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("ceil_mode: false round_mode: CEIL", r"ceil_mode is false; round_mode is CEIL, which says the contrary"),
        ("ceil_mode: true round_mode: FLOOR", r"ceil_mode is true; round_mode is FLOOR, which says the contrary"),
        ("torch_pooling: true round_mode: CEIL", r"torch_pooling is true; round_mode is CEIL"),
    ],
)
def test_refuses_rounding_up_and_down(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(f'type: "Pooling" pooling_param {{ kernel_size: 3 {fields} }}', SIZES)
