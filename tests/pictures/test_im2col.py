import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.pictures.im2col import windows_of


def columns_by_hand(height, width, kernel, stride, pad, dilation):
    """The pixel that each tap of each window reads, -1 outside; one loop after the other."""
    numbers = np.full((height + 2 * pad, width + 2 * pad), -1)
    numbers[pad : pad + height, pad : pad + width] = np.arange(height * width).reshape(height, width)
    extent = dilation * (kernel - 1) + 1
    columns = []
    for top in range(0, numbers.shape[0] - extent + 1, stride):
        for left in range(0, numbers.shape[1] - extent + 1, stride):
            columns.append(numbers[top : top + extent : dilation, left : left + extent : dilation].ravel())
    return np.array(columns).T


def counts_by_hand(columns, height, width):
    counts = np.zeros(height * width, int)
    for pixel in columns[columns >= 0]:
        counts[pixel] += 1
    return counts.reshape(height, width)


def shown(figure, axes):
    return np.ma.filled(figure.axes[axes].images[0].get_array(), np.nan)


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "dilation"), [(3, 1, 0, 1), (3, 2, 1, 1), (2, 2, 0, 1), (2, 1, 1, 2), (3, 4, 0, 1)]
)
def test_columns_and_sums(windows_net, kernel, stride, pad, dilation):
    param = f"kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}"
    net = windows_net("dim: 1 dim: 2 dim: 6 dim: 5", param)
    net.blobs["x"].data[...] = np.arange(60).reshape(1, 2, 6, 5)
    figure = net.show("im2col", "c")
    columns = columns_by_hand(6, 5, kernel, stride, pad, dilation)
    np.testing.assert_array_equal(shown(figure, 0), net.blobs["x"].data[0, 0])
    np.testing.assert_array_equal(shown(figure, 1), np.where(columns < 0, np.nan, columns))
    np.testing.assert_array_equal(shown(figure, 2), counts_by_hand(columns, 6, 5))
    assert figure.axes[1].get_title("left") == f"Columns: {2 * kernel**2} x {columns.shape[1]}"


def test_sums_are_what_col2im_makes_of_ones(net):
    index = net.layer_names.index("c1")
    columns = np.ones((9, 12), np.float32)
    image = np.empty((1, 6, 5), np.float32)
    net.core_layers[index].conv_col2im(columns, image)
    np.testing.assert_array_equal(windows_of(net, index).counts(), image[0])


def texts(figure):
    return [text.get_text() for text in figure.axes[3].texts]


def test_the_products_of_a_convolution_and_their_shapes(net):
    words = texts(net.show("im2col", "c2"))
    assert words[:8] == ["weights", "2 x 16", "x", "columns", "16 x 6", "=", "top", "2 x 6"]
    assert "backward, weights: top diff 2 x 6 times columns transposed 6 x 16" in words
    assert "backward, bottom: weights transposed 16 x 2 times top diff 2 x 6, then col2im" in words


def test_a_deconvolution_goes_the_other_way(net):
    figure = net.show("im2col", "d")
    words = texts(figure)
    assert words[:8] == ["weights, transposed", "16 x 2", "x", "bottom", "2 x 6", "=", "columns", "16 x 6"]
    assert shown(figure, 2).shape == net.blobs["d"].shape[2:]


def test_matrices_that_are_all_wide_fit_beside_each_other(windows_net):
    figure = windows_net("dim: 1 dim: 3 dim: 6 dim: 5", "kernel_h: 3 kernel_w: 2").show("im2col", "c")
    (products,) = [axes for axes in figure.axes if axes.get_title("left") == "The product it enters"]
    assert len(products.patches) == 3
    assert all(0 < box.get_x() and box.get_x() + box.get_width() < 10 for box in products.patches)


def test_pixels_taps_and_windows_are_counted(windows_net):
    figure = windows_net("dim: 1 dim: 1 dim: 3 dim: 4", "kernel_size: 2").show("im2col", "c")
    figure.canvas.draw()
    for axes in figure.axes[:3]:
        assert all(float(tick).is_integer() for tick in (*axes.get_xticks(), *axes.get_yticks()))


def test_groups(windows_net):
    net = windows_net("dim: 1 dim: 4 dim: 3 dim: 3", "kernel_size: 3 group: 2")
    figure = net.show("im2col")
    assert texts(figure)[1:5:3] == ["1 x 18", "18 x 1"]
    assert figure.axes[3].texts[-1].get_text() == "for each image and each of 2 groups"


def test_one_spatial_axis_is_an_image_one_pixel_high(windows_net):
    figure = windows_net("dim: 1 dim: 1 dim: 5", "kernel_size: 3 pad: 1").show("im2col")
    np.testing.assert_array_equal(shown(figure, 2), [[2, 3, 3, 3, 2]])


def test_of_many_windows_the_first_are_drawn(windows_net):
    figure = windows_net("dim: 1 dim: 1 dim: 30 dim: 30", "kernel_size: 2").show("im2col")
    assert shown(figure, 1).shape == (4, 600)
    assert "the first 600" in figure.axes[1].texts[-1].get_text()


def test_an_im2col_layer(make_net):
    net = make_net(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 3 dim: 3 } } }\n'
        'layer { name: "i" type: "Im2col" bottom: "x" top: "i" convolution_param { kernel_size: 2 } }\n'
    )
    figure = net.show("im2col")
    np.testing.assert_array_equal(shown(figure, 1), [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])
    np.testing.assert_array_equal(shown(figure, 2), [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def test_what_makes_no_columns_is_refused(net, windows_net):
    with pytest.raises(UsageError, match=r'layer "ip" \(InnerProduct\) makes no columns.* are c1, c2, d'):
        net.show("im2col", "ip")
    deep = windows_net("dim: 1 dim: 1 dim: 3 dim: 3 dim: 3", "kernel_size: 2")
    with pytest.raises(UsageError, match="3 spatial axes; pictures of columns are of 1 or 2"):
        deep.show("im2col")
