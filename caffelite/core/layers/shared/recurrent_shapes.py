"""What a recurrent layer demands of its bottoms. Source: src/caffe/layers/recurrent_layer.cpp."""

from __future__ import annotations

from typing import NamedTuple

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.layer import Blobs


class Sizes(NamedTuple):
    """Sizes of a layer's bottoms; values of one item of one step, and static values of one stream (0 without)."""

    time_steps: int
    streams: int
    item_count: int
    static_count: int


def read_sizes(bottom: Blobs, static_input: bool) -> Sizes:
    """Return the sizes; LayerError unless input, cont and static input have the axes they need and fit together."""
    shape = bottom[0].shape
    if len(shape) < 3 or 0 in shape:
        raise LayerError(
            "bottom[0]",
            shape_or_scalar(shape),
            "it needs the axes (time steps, streams, values, ...), none of them empty",
        )
    steps, streams = shape[:2]
    if bottom[1].shape != (steps, streams):
        raise LayerError(
            "bottom[1]",
            shape_or_scalar(bottom[1].shape),
            "it says for each time step of each stream whether the stream goes on (1) or a new one begins (0): "
            f"bottom[0] of {shape_string(shape)} needs {shape_string((steps, streams))}",
        )
    if not static_input:
        return Sizes(steps, streams, bottom[0].count_between(2), 0)
    static = bottom[2].shape
    if len(static) < 2 or static[0] != streams or 0 in static:
        raise LayerError(
            "bottom[2]",
            shape_or_scalar(static),
            f"the static input needs the axes (streams, values, ...), of {streams} streams as bottom[0]",
        )
    return Sizes(steps, streams, bottom[0].count_between(2), bottom[2].count_between(1))


def check_sizes(sizes: Sizes, at_setup: Sizes, bottom: Blobs) -> None:
    """Raise LayerError if anything but the number of streams is another than at set-up."""
    if sizes.time_steps != at_setup.time_steps:
        raise LayerError(
            "bottom[0]",
            shape_or_scalar(bottom[0].shape),
            f"input number of timesteps changed: it was {at_setup.time_steps} at set-up and stays; "
            "make another net for another number, they can share weights",
        )
    wanted = {0: (sizes.item_count, at_setup.item_count), 2: (sizes.static_count, at_setup.static_count)}
    for index, (have, want) in wanted.items():
        if have != want:
            raise LayerError(
                f"bottom[{index}]", shape_or_scalar(bottom[index].shape), f"the weights are for items of {want} values"
            )


def check_initial_states(bottom: Blobs, count: int, wanted: tuple[int, ...]) -> None:
    """Raise LayerError unless each of the last `count` bottoms has the shape `wanted`."""
    for index in range(len(bottom) - count, len(bottom)):
        if bottom[index].shape != wanted:
            raise LayerError(
                f"bottom[{index}]",
                shape_or_scalar(bottom[index].shape),
                f"bottom[{index}] shape must match hidden state input shape: {shape_string(wanted)}",
            )
