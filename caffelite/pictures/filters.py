"""Filters of convolutions and inner products, or their gradients, as images."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from caffelite.core.blob import Array, Shape
from caffelite.core.layer import Layer
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.net.net import Net
from caffelite.pictures.arrange import (
    MOST_COLUMNS,
    MOST_ROWS,
    as_colours,
    draw_mosaic,
    few_enough,
    room_for,
    sampled,
    size_for,
    title,
)
from caffelite.pictures.figure import Picture
from caffelite.pictures.find import layer_with_filters
from caffelite.pictures.tiles import Mosaic, in_a_grid


def show_filters(net: Net, name: str | None = None) -> Picture:
    """Return a picture of the weights of layer `name`, or of the first layer that has filters.

    Of 3 channels they are colours, blue first as in Caffe's images, grey where a weight is 0; of 1 channel one tile a
    filter; else a row a filter and a column a channel. Of an inner product each unit's weights stand as its bottom's
    images do. Raises UsageError or UnknownNameError for a layer without filters.
    """
    index = layer_with_filters(net, name)
    layer = net.core_layers[index]
    weights = as_filters(layer, net.bottoms(index)[0][1].shape, layer.blobs[0].data)
    filters = Filters(weights, layer.type)
    heading = f"{layer.name}: {filters.words}"
    width, height = size_for(filters.mosaic)
    figure = Picture(max(width, room_for(heading)), height)
    axes = figure.add_subplot()
    filters.draw(figure, axes)
    note = f"{layer.type}, weights {weights.min():.3g} to {weights.max():.3g}"
    title(axes, heading, f"{note}{filters.note}")
    return figure


def as_filters(layer: Layer, bottom_shape: Shape, values: Array) -> Array:
    """Return weights of a layer, or their gradients, as (filters, channels, height, width).

    Further spatial axes of a convolution stand below each other. An inner product has one filter an output; its
    channels and pixels are those of its bottom, or its inputs are pixels beside each other.
    """
    if isinstance(layer, BaseConvolutionLayer):
        spatial = layer.window.kernel
        width = spatial[-1] if spatial else 1
        return values.reshape(*values.shape[:2], -1, width)
    param = layer.layer_param.inner_product_param
    rows = values.T if param.transpose else values
    axis = param.axis + len(bottom_shape) if param.axis < 0 else param.axis
    inputs = bottom_shape[axis:]
    if len(inputs) == 3:
        return rows.reshape(len(rows), *inputs)
    return rows.reshape(len(rows), -1, 1, 1)


class Filters:
    """Weights (filters, channels, height, width) arranged as tiles; `words` says what they are, `note` how to look."""

    def __init__(self, weights: Array, layer_type: str) -> None:
        count, channels, height, width = weights.shape
        size = f"{height}x{width}"
        self.note = ""
        self.axis_names = ("", "")
        self.coloured = channels == 3 and height * width > 1
        if self.coloured or channels == 1:
            shown = few_enough(count, height, width)
            self.words = (
                f"{sampled(shown, count, 'filters')} of {channels}x{size}"
                if channels > 1
                else (f"{sampled(shown, count, 'filters')} of {size}")
            )
            tiles = weights[:shown, 0]
            if self.coloured:
                limit = float(np.abs(weights).max())
                tiles = np.stack([as_colours(one, -limit, limit) for one in weights[:shown]])
                self.note = "; colours as BGR, grey is 0"
            self.mosaic: Mosaic = in_a_grid(tiles)
            return
        matrix = height == width == 1  # of which a screen has room for more
        most = (512, 512) if matrix else (MOST_ROWS, MOST_COLUMNS)
        rows, columns = min(count, most[0]), min(channels, most[1])
        things, inside = ("outputs", "inputs") if layer_type == "InnerProduct" and matrix else ("filters", "channels")
        if (rows, columns) == (count, channels):
            self.words = f"{count} {things} of {channels} {inside}" + ("" if matrix else f" of {size}")
        else:
            self.words = f"{rows} of {count} {things}, {columns} of {channels} {inside}" + (
                "" if matrix else f", {size}"
            )
            self.note = "; the first ones are drawn"
        self.axis_names = (things[:-1], inside[:-1])
        self.mosaic = in_a_grid(weights[:rows, :columns].reshape(-1, height, width), columns)

    def draw(self, figure: Picture, axes: Axes) -> None:
        """Draw the tiles, with the scale of colours where they are numbers."""
        draw_mosaic(figure, axes, self.mosaic, signed=True, axis_names=self.axis_names)
