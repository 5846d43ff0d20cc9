import numpy as np
import pytest

from caffelite.core.errors import UnknownNameError, UsageError


def shown(figure):
    """The array of the first image, nan where nothing is drawn."""
    values = figure.axes[0].images[0].get_array()
    return np.ma.filled(values, np.nan)


def heading(figure):
    return figure.axes[0].get_title("left")


def test_each_filter_of_one_channel_is_a_tile(net):
    net.params["c1"][0].data[...] = np.arange(4 * 9).reshape(4, 1, 3, 3)
    picture = shown(figure := net.show("filters", "c1"))
    assert picture.shape == (7, 7)
    for index, (row, column) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        np.testing.assert_array_equal(picture[row : row + 3, column : column + 3], net.params["c1"][0].data[index, 0])
    assert np.isnan(picture[3]).all()
    assert heading(figure) == "c1: 4 filters of 3x3"


def test_without_a_name_the_first_layer_with_filters(net):
    assert heading(net.show("filters")) == "c1: 4 filters of 3x3"


def test_a_row_a_filter_and_a_column_a_channel(net):
    weights = net.params["c2"][0].data
    weights[...] = np.random.default_rng(0).normal(size=weights.shape)
    picture = shown(figure := net.show("filters", "c2"))
    assert weights.shape == (2, 4, 2, 2)
    np.testing.assert_allclose(picture[3:5, 9:11], weights[1, 3], rtol=1e-6)
    assert heading(figure) == "c2: 2 filters of 4 channels of 2x2"
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == pytest.approx(np.abs(weights).max())


def test_a_deconvolution(net):
    weights = net.params["d"][0].data
    weights[...] = np.arange(weights.size).reshape(weights.shape)
    assert weights.shape == (2, 1, 4, 4)
    np.testing.assert_array_equal(shown(net.show("filters", "d"))[:4, 5:9], weights[1, 0])


def test_weights_of_an_inner_product_stand_as_its_bottom_does(net):
    weights = net.params["ip"][0].data
    weights[...] = np.arange(weights.size).reshape(weights.shape)
    picture = shown(figure := net.show("filters", "ip"))
    height, width = net.blobs["c2"].shape[2:]
    np.testing.assert_array_equal(
        picture[2 * (height + 1) : 3 * height + 2, width + 1 : 2 * width + 1],
        weights.reshape(3, 2, height, width)[2, 1],
    )
    assert heading(figure) == f"ip: 3 filters of 2 channels of {height}x{width}"


def test_an_inner_product_of_a_vector_is_a_matrix_also_transposed(net):
    weights = net.params["ip2"][0].data
    weights[...] = np.arange(weights.size).reshape(weights.shape)
    assert weights.shape == (3, 5)
    np.testing.assert_array_equal(shown(figure := net.show("filters", "ip2")), weights.T)
    assert heading(figure) == "ip2: 5 outputs of 3 inputs"


def test_three_channels_are_colours_blue_first(colour_net):
    weights = colour_net.params["c"][0].data
    weights[...] = 0
    weights[0, 0] = 2.0  # the first filter looks for blue
    weights[1, 2] = -2.0  # and the second for anything but red
    picture = colour_net.show("filters").axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[0, 0], [0.5, 0.5, 1])
    np.testing.assert_allclose(picture[0, 6], [0, 0.5, 0.5])
    assert picture.shape == (5, 11, 3)


def test_of_many_filters_the_first_are_drawn_and_the_title_says_so(wide_net):
    figure = wide_net.show("filters", "c")
    assert heading(figure) == "c: 64 of 70 filters, 48 of 50 channels, 2x1"
    assert figure.axes[0].texts[0].get_text().endswith("; the first ones are drawn")
    assert shown(figure).shape == (64 * 3 - 1, 48 * 2 - 1)


def test_layers_without_filters_are_refused(net):
    with pytest.raises(UsageError, match=r'layer "relu" \(ReLU\) has no filters.* those of this net are c1, c2, d, ip'):
        net.show("filters", "relu")
    with pytest.raises(UnknownNameError, match='no layer "c11"; did you mean "c1"'):
        net.show("filters", "c11")
    with pytest.raises(UsageError, match='no picture "filter"; did you mean "filters"'):
        net.show("filter")
