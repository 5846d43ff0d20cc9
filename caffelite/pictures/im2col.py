"""A convolution as a matrix product: which pixels each column holds, and how often col2im adds to each pixel."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.errors import UsageError
from caffelite.core.kernels.convolution.im2col import tap_table
from caffelite.core.layer import Layer
from caffelite.core.layers.im2col import Im2colLayer
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.layers.shared.window import Window
from caffelite.core.net.net import Net
from caffelite.pictures.arrange import as_colours, plain, title
from caffelite.pictures.figure import Picture, add_scale, draw_image
from caffelite.pictures.find import layer_index

MOST_WINDOWS = 600  # columns that a picture has room for
MOST_NUMBERS = 260  # cells that have room for their numbers
WINDOW_COLOURS = ("tab:orange", "tab:red", "tab:green", "tab:purple")


class Windows(NamedTuple):
    """How a layer's windows lie on one image of `blob`, (channels, height, width).

    table: (taps, windows), the pixel h * width + w that each tap of each window reads, -1 in the padding.
    out: windows below and beside each other.
    """

    blob: Blob
    blob_name: str
    channels: int
    height: int
    width: int
    window: Window
    out: Shape
    table: Array

    def counts(self) -> Array:
        """Return (height, width): how many columns hold each pixel, which is how often col2im adds to it."""
        inside = self.table[self.table >= 0]
        counted: Array = np.bincount(inside, minlength=self.height * self.width).reshape(self.height, self.width)
        return counted


def show_im2col(net: Net, name: str | None = None) -> Picture:
    """Return a picture of layer `name`, or of the first Convolution: windows, columns, col2im's sums and the products.

    Its axes are the image with some windows, the numbers of the pixels that the columns of channel 0 hold, how many
    columns hold each pixel, and the products. Raises UsageError for a layer that has no windows, or more than 2 spatial
    axes.
    """
    index = _layer_with_windows(net, name)
    layer = net.core_layers[index]
    windows = windows_of(net, index)
    figure = Picture(11.5, 7.2)
    ((image, columns), (sums, products)) = figure.subplots(2, 2, width_ratios=[1, 2.1])
    shown = min(windows.table.shape[1], MOST_WINDOWS)
    chosen = _chosen(windows.out, shown)
    _draw_image(image, windows, chosen)
    _draw_columns(columns, windows, chosen, shown)
    _draw_counts(figure, sums, windows)
    _draw_products(products, layer, windows)
    figure.suptitle(f"{layer.name} ({layer.type}) by im2col: {_words(windows)}", x=0.01, ha="left", fontweight="bold")
    return figure


def _layer_with_windows(net: Net, name: str | None) -> int:
    found = [layer.name for layer in net.core_layers if isinstance(layer, (BaseConvolutionLayer, Im2colLayer))]
    if name is None:
        if not found:
            raise UsageError(f'net "{net.name}" has no Convolution, Deconvolution or Im2col layer')
        name = found[0]
    index = layer_index(net, name)
    if net.layer_names[index] not in found:
        hint = f"; those of this net are {', '.join(found)}" if found else ""
        raise UsageError(
            f'layer "{name}" ({net.core_layers[index].type}) makes no columns: Convolution, Deconvolution and Im2col '
            f"do{hint}"
        )
    return index


def windows_of(net: Net, index: int) -> Windows:
    """Return the windows of layer `index`, of one spatial axis as of an image one pixel high."""
    layer = net.core_layers[index]
    bottom, top = net.bottoms(index)[0], net.tops(index)[0]
    blob_name, blob = top if layer.type == "Deconvolution" else bottom
    assert isinstance(layer, (BaseConvolutionLayer, Im2colLayer))
    window, (channels, *spatial) = layer.window, layer.image_shape
    if not 1 <= len(spatial) <= 2:
        raise UsageError(f'layer "{layer.name}" has {len(spatial)} spatial axes; pictures of columns are of 1 or 2')
    missing = 2 - len(spatial)
    height, width = (1,) * missing + tuple(spatial)
    flat = Window(*((least,) * missing + sizes for least, sizes in zip((1, 1, 0, 1), window, strict=True)))
    out = flat.convolved((height, width))
    table = tap_table((height, width), flat.kernel, flat.stride, flat.pad, flat.dilation, out)
    return Windows(blob, blob_name, channels, height, width, flat, out, table)


def _chosen(out: Shape, shown: int) -> list[int]:
    """Return the numbers of a few windows: the first, its neighbours beside and below, and the last that is shown."""
    count = prod(out)
    wanted = [0, 1, out[1], min(count, shown) - 1]
    return sorted({number for number in wanted if 0 <= number < shown})


def _words(windows: Windows) -> str:
    kernel, stride, pad, dilation = (f"{axes[0]}x{axes[1]}" for axes in windows.window)
    words = [f"kernel {kernel}", f"stride {stride}"]
    if set(windows.window.pad) != {0}:
        words.append(f"pad {pad}")
    if set(windows.window.dilation) != {1}:
        words.append(f"dilation {dilation}")
    return ", ".join(words)


def _draw_image(axes: Axes, windows: Windows, chosen: list[int]) -> None:
    """Draw one channel of the image, or colours of 3, with the padding grey around and the chosen windows on it."""
    values = windows.blob.data.reshape(-1, windows.channels, windows.height, windows.width)[0]
    if windows.channels == 3 and values.any():
        draw_image(axes, as_colours(values, float(values.min()), float(values.max())))
    else:
        draw_image(axes, values[0], colours="gray" if values[0].any() else "gray_r", signed=False)
    (pad_h, pad_w), (stride_h, stride_w) = windows.window.pad, windows.window.stride
    axes.set_anchor("W")
    axes.set_facecolor("lightgray")
    axes.set_xlim(-0.5 - pad_w, windows.width - 0.5 + pad_w)
    axes.set_ylim(windows.height - 0.5 + pad_h, -0.5 - pad_h)
    extent_h, extent_w = windows.window.extent
    for number, colour in zip(chosen, WINDOW_COLOURS, strict=False):
        row, column = divmod(number, windows.out[1])
        corner = (column * stride_w - pad_w - 0.5, row * stride_h - pad_h - 0.5)
        axes.add_patch(Rectangle(corner, extent_w, extent_h, fill=False, edgecolor=colour, linewidth=2))
    _plain(axes)
    channel = "" if windows.channels in (1, 3) else ", channel 0"
    title(
        axes,
        f"{windows.blob_name}: {windows.channels} x {windows.height} x {windows.width}",
        f"windows {', '.join(map(str, chosen))}{channel}{'; padding is grey' if pad_h or pad_w else ''}",
    )


def _plain(axes: Axes) -> None:
    plain(axes)
    axes.locator_params(integer=True)  # pixels, taps and windows are counted


def _draw_columns(axes: Axes, windows: Windows, chosen: list[int], shown: int) -> None:
    taps, count = windows.table.shape
    table = np.where(windows.table < 0, np.nan, windows.table)[:, :shown]
    draw_image(axes, table, signed=False)
    axes.set_aspect("auto")
    axes.set_facecolor("lightgray")
    if table.size <= MOST_NUMBERS:
        _write_numbers(axes, table)
    for number, colour in zip(chosen, WINDOW_COLOURS, strict=False):
        axes.add_patch(
            Rectangle((number - 0.5, -0.5), 1, taps, fill=False, edgecolor=colour, linewidth=2, clip_on=False)
        )
    _plain(axes)
    axes.set_ylabel("tap of the kernel", fontsize=9)
    axes.set_xlabel("window", fontsize=9)
    part = "" if shown == count else f", the first {shown}"
    more = f"; {taps} rows more for each further channel" if windows.channels > 1 else ""
    title(
        axes,
        f"Columns: {taps * windows.channels} x {count}",
        f"number of the pixel, h * {windows.width} + w, that each entry holds{part}{more}",
    )


def _draw_counts(figure: Picture, axes: Axes, windows: Windows) -> None:
    counts = windows.counts()
    drawn = draw_image(axes, counts.astype(np.float64), signed=False, colours="magma")
    drawn.set_clim(0, max(1, int(counts.max())))
    if counts.size <= MOST_NUMBERS:
        _write_numbers(axes, counts)
    axes.set_anchor("W")
    _plain(axes)
    add_scale(figure, axes, drawn)
    title(axes, "col2im: sums for each pixel", f"columns that hold it: {counts.min()} to {counts.max()}")


def _write_numbers(axes: Axes, values: Array) -> None:
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = "black" if value > middle else "white"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)


def _draw_products(axes: Axes, layer: Layer, windows: Windows) -> None:
    """Draw the matrices of the product as boxes, and write those of the backward pass below."""
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    taps, count = windows.table.shape
    if not isinstance(layer, BaseConvolutionLayer):
        title(axes, "No product: the columns are the top")
        return
    group = layer.group
    rows, inner = layer.conv_out_channels // group, taps * windows.channels // group
    weight, columns, outputs = (rows, inner), (inner, count), (rows, count)
    if layer.type == "Deconvolution":
        boxes = [("weights, transposed", weight[::-1]), ("bottom", outputs), ("columns", columns)]
        lines = (
            "then col2im adds the columns into the top",
            f"backward, bottom: weights {_by(weight)} times columns {_by(columns)} of the top diff",
            f"backward, weights: bottom {_by(outputs)} times those columns transposed {_by(columns[::-1])}",
        )
    else:
        boxes = [("weights", weight), ("columns", columns), ("top", outputs)]
        lines = (
            f"the top is {layer.conv_out_channels} x {windows.out[0]} x {windows.out[1]}"
            + (", and the bias is added" if layer.bias_term else ""),
            f"backward, weights: top diff {_by(outputs)} times columns transposed {_by(columns[::-1])}",
            f"backward, bottom: weights transposed {_by(weight[::-1])} times top diff {_by(outputs)}, then col2im",
        )
    largest = max(size for _, shape in boxes for size in shape)
    left = 0.2
    for (name, shape), colour, sign in zip(boxes, ("#c6dbef", "#fdd0a2", "#c7e9c0"), ("x", "=", ""), strict=True):
        height, width = (0.7 + 2 * (size / largest) ** 0.5 for size in shape)
        axes.add_patch(Rectangle((left, 6.6 - height / 2), width, height, facecolor=colour, edgecolor="dimgray"))
        axes.text(left + width / 2, 6.6 + height / 2 + 0.2, name, ha="center", va="bottom", fontsize=9)
        axes.text(left + width / 2, 6.6 - height / 2 - 0.25, _by(shape), ha="center", va="top", fontsize=9)
        axes.text(left + width + 0.35, 6.6, sign, ha="center", va="center", fontsize=14)
        left += width + 0.7
    for number, line in enumerate(lines):
        axes.text(0, 2.9 - 1.05 * number, line, fontsize=9)
    each = "for each image" + (f" and each of {group} groups" if group > 1 else "")
    title(axes, "The product it enters", each)


def _by(shape: Shape) -> str:
    return f"{shape[0]} x {shape[1]}"
