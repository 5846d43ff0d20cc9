"""Values of a blob for one image of the batch, and gradients: activations and what the loss wants changed."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.core.net.net import Net
from caffelite.pictures.arrange import (
    as_colours,
    draw_mosaic,
    draw_vector,
    few_enough,
    room_for,
    sampled,
    size_for,
    title,
)
from caffelite.pictures.figure import UNSIGNED, Picture
from caffelite.pictures.filters import Filters, as_filters
from caffelite.pictures.find import blob_of, has_filters, layer_index
from caffelite.pictures.tiles import Mosaic, in_a_grid

GREY = "gray"  # of images of one channel


def show_activations(net: Net, name: str | None = None, sample: int = 0) -> Picture:
    """Return a picture of blob `name`, or of the top of layer `name`, for image `sample` of the batch.

    Channels with pixels are tiles, an input of 3 channels is a colour image (blue first), what has no pixels is bars.
    Without a name it is the top of the first layer with filters. Raises UsageError or UnknownNameError.
    """
    blob_name, blob, writers = blob_of(net, name)
    drawing = Values(of_sample(blob_name, blob.data, sample), blob_name in net.inputs)
    heading = f"{blob_name}: {drawing.words}"
    width, height = drawing.size
    figure = Picture(max(width, room_for(heading)), height)
    axes = figure.add_subplot()
    drawing.draw(figure, axes)
    title(axes, heading, "; ".join(filter(None, [_written_by(writers), drawing.note])))
    return figure


def show_gradients(net: Net, name: str | None = None, sample: int = 0, of_what: str = "the loss") -> Picture:
    """Return a picture of the gradient in a blob's diff and, if `name` is a layer with filters, of its weights' diff.

    The diffs are those that the last backward pass left; of the weights the sum over all passes and images. `of_what`
    names what was differentiated. Raises UsageError or UnknownNameError.
    """
    blob_name, blob, writers = blob_of(net, name)
    diff = of_sample(blob_name, blob.diff, sample)
    drawing = Values(diff, False, signed=True)
    weights = _weight_gradients(net, name if name is not None else writers[0])
    heading = f"Gradient of {of_what} in {blob_name}: {drawing.words}"
    width, height = drawing.size
    width = max(width, room_for(heading))
    if weights is None:
        figure = Picture(width, height)
        axes = figure.add_subplot()
    else:
        words = f"of its weights: {weights.words}"
        other, other_height = size_for(weights.mosaic)
        other = max(other, room_for(words))
        figure = Picture(width + other, max(height, other_height))
        axes, right = figure.subplots(1, 2, width_ratios=[width, other])
        weights.draw(figure, right)
        title(right, words, f"summed over the batch{weights.note}")
    drawing.draw(figure, axes)
    nothing = "" if diff.any() else "all are 0: was a backward pass run?"
    note = "; ".join(filter(None, [f"change of {of_what} for one more of each value", drawing.note, nothing]))
    title(axes, heading, note)
    return figure


def _weight_gradients(net: Net, name: str) -> Filters | None:
    if name not in net.layer_names:
        return None
    index = layer_index(net, name)
    layer = net.core_layers[index]
    if not has_filters(layer):
        return None
    return Filters(as_filters(layer, net.bottoms(index)[0][1].shape, layer.blobs[0].diff), layer.type)


def of_sample(name: str, values: Array, sample: int) -> Array:
    """Return the values of one image, those of blobs without axes as they are; UsageError if there is no such image."""
    if values.ndim == 0:
        return values.reshape(1)
    if not 0 <= sample < len(values):
        raise UsageError(f'sample is {sample}, and blob "{name}" has {len(values)}; use 0 to {len(values) - 1}')
    one: Array = values[sample]
    return one.reshape(1) if one.ndim == 0 else one


def _written_by(writers: list[str]) -> str:
    first, *others = writers
    return f"made by {first}" + (f", then {', '.join(others)} in place" if others else "")


class Values:
    """Values of one image and how they are drawn: colours, tiles, one image or bars."""

    def __init__(self, values: Array, is_input: bool, signed: bool | None = None) -> None:
        self.note = ""
        self.signed = signed
        self.colours = UNSIGNED
        self.mosaic: Mosaic | None = None
        while values.ndim > 1 and values.shape[-1] == values.shape[-2] == 1:
            values = values[..., 0, 0] if values.ndim > 2 else values[0]
        if values.ndim == 1:
            self.vector = values
            self.words = "1 value" if len(values) == 1 else f"{len(values)} values"
            self.note = f"largest: {int(np.argmax(values))} with {float(values.max()):.4g}"
            self.size = (7.0, 2.6)
            return
        planes = values.reshape(-1, *values.shape[-2:])
        height, width = planes.shape[1:]
        if is_input and len(planes) == 3:
            low, high = float(planes.min()), float(planes.max())
            self.mosaic = in_a_grid(as_colours(planes, low, high)[np.newaxis])
            self.words = f"3 channels of {height}x{width}"
            self.note = f"colours as BGR, from {low:.3g} (black) to {high:.3g}"
        else:
            shown = few_enough(len(planes), height, width)
            self.mosaic = in_a_grid(planes[:shown])
            things = "channel" if len(planes) == 1 else "channels"
            self.words = f"{sampled(shown, len(planes), things)} of {height}x{width}"
            self.note = f"{float(values.min()):.3g} to {float(values.max()):.3g}"
            self.colours = GREY if is_input and len(planes) == 1 else UNSIGNED
        self.size = size_for(self.mosaic)

    def draw(self, figure: Picture, axes: Axes) -> None:
        """Draw them, with the scale of colours where they are numbers."""
        if self.mosaic is None:
            draw_vector(axes, self.vector, "channel")
        else:
            draw_mosaic(figure, axes, self.mosaic, signed=self.signed, colours=self.colours)
