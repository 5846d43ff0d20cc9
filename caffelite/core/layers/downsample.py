"""Downsample: a weighted mean about each place. Source: lmb-freiburg/flownet2, src/caffe/layers/downsample_layer.cu."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.taps import Taps, blend


@register_layer("Downsample")
class DownsampleLayer(Layer):
    """Make images smaller, corners on corners: means about each place, weights falling to 0 one step of the top away.

    bottom[0]: (N, C, H, W).
    bottom[1]: optional: the top gets its last two sizes where top_height and top_width do not say them.
    top[0]:    (N, C, top_height, top_width).

    nan (flow that is not known) is left out of the mean; a pixel is nan if the nan about it weigh more than half of
    what the others weigh. A top one pixel high or wide is the mean of all, where the fork divides by 0. There is no
    gradient. Raises LayerError for a top that is larger than the bottom, without a size, and when asked for a gradient.
    """

    messages = ("downsample_param",)
    formula = (
        "y = weighted mean of the {bottom[0].shape[2]} x {bottom[0].shape[3]} pixels about each place, at most "
        "{layer.steps[0]:.4g} rows and {layer.steps[1]:.4g} columns away"
    )
    fork = "FlowNet"
    min_bottom_blobs = 1
    max_bottom_blobs = 2
    exact_num_top_blobs = 1
    has_backward = False
    steps: tuple[float, float] = (1.0, 1.0)  # of the top, in pixels of the bottom

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Say that there is no gradient."""
        return False

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the sizes and what each pixel is made of."""
        shape = bottom[0].shape
        if len(shape) != 4:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Downsample takes images, of 4 axes")
        wanted = self._wanted(bottom)
        self._down, self._across = (_taps(size, new) for size, new in zip(shape[2:], wanted, strict=True))
        down, across = (_step(size, new) for size, new in zip(shape[2:], wanted, strict=True))
        self.steps = (float(down), float(across))
        top[0].reshape(*shape[:2], *wanted)

    def _wanted(self, bottom: Blobs) -> tuple[int, int]:
        """Return height and width of the top."""
        param = self.layer_param.downsample_param
        sizes = []
        for axis, field in ((2, "top_height"), (3, "top_width")):
            size = getattr(param, field)
            if not size and len(bottom) == 1:
                raise LayerError(f"downsample_param.{field}", 0, "give the size, or a second bottom that has it")
            if not size:
                if bottom[1].num_axes != 4:
                    raise LayerError("bottom[1]", shape_or_scalar(bottom[1].shape), "it gives the size; use 4 axes")
                size = bottom[1].shape[axis]
            if not 1 <= size <= bottom[0].shape[axis]:
                raise LayerError(
                    f"downsample_param.{field}" if getattr(param, field) else "bottom[1]",
                    size if getattr(param, field) else shape_or_scalar(bottom[1].shape),
                    f"use 1 to {bottom[0].shape[axis]}, the size of the bottom; Interp makes images larger",
                )
            sizes.append(size)
        return sizes[0], sizes[1]

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return the pixels that are less than a step away; of bottom[1] nothing is read but the shape."""
        if bottom_index:
            return None
        pairs = list(zip(bottom[0].shape[2:], top[0].shape[2:], strict=True))
        steps = tuple(_step(size, wanted) for size, wanted in pairs)
        # at whole places those at both ends weigh 0
        extent = tuple(2 * ceil(step) - 1 if step.denominator == 1 else ceil(2 * step) for step in steps)
        return Reach(tuple(min(e, size) for e, (size, _) in zip(extent, pairs, strict=True)), steps)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        x = bottom[0].data
        known = ~np.isnan(x)
        whole = np.outer(self._down.weight.sum(1), self._across.weight.sum(1))
        if known.all():
            top[0].data[...] = blend(x, self._down, self._across) / whole.astype(self.dtype)
            return
        total = self._sum_of(np.where(known, x, 0))
        weight = self._sum_of(known.astype(self.dtype))
        enough = weight * 1.5 >= whole  # unknown <= half of known
        top[0].data[...] = np.where(enough, total / np.where(enough, weight, 1), np.nan)

    def _sum_of(self, images: Array) -> Array:
        return blend(images, self._down, self._across)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Refuse: there is no gradient."""
        if any(propagate_down):
            raise LayerError("bottom", "asked for a gradient", "Downsample has none; Interp has one")


def _step(size: int, wanted: int) -> Fraction:
    """Return how many pixels of the bottom one step of the top is."""
    return Fraction(size - 1, wanted - 1) if wanted > 1 else Fraction(size)


def _taps(size: int, wanted: int) -> Taps:
    """Return the pixels about each place and their weights; of one place, all pixels."""
    if wanted == 1:
        return Taps(np.arange(size)[None], np.ones((1, size)))
    step = (size - 1) / (wanted - 1)
    place = np.arange(wanted) * step
    around = np.arange(-ceil(step), ceil(step) + 1)
    index = np.rint(place).astype(np.int64)[:, None] + around
    weight = np.maximum(0, 1 - np.abs(index - place[:, None]) / step)
    return Taps(np.clip(index, 0, size - 1), np.where((index >= 0) & (index < size), weight, 0))
