"""Interp: bilinear resizing with aligned corners. Source: hszhao/PSPNet, src/caffe/layers/interp_layer.cpp."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.taps import Taps, blend, blend_backward


@register_layer("Interp")
class InterpLayer(Layer):
    """Resize images so that the middles of the corner pixels stay at the corners; between pixels values are linear.

    bottom[0]: (N, C, H, W).
    bottom[1]: optional: the top gets its last two sizes, in place of those of fields; it has no gradient.
    top[0]:    (N, C, H', W').

    First -pad_beg rows and columns are cut off at the beginning and -pad_end at the end (pads are 0 or negative). What
    is left, h x w, becomes: with shrink_factor alone (h - 1) / shrink_factor + 1; with zoom_factor alone
    h + (h - 1) * (zoom_factor - 1); with height and width these; with both factors shrunk first, then zoomed. Divisions
    are of whole numbers. Places in the bottom are computed in float32, as the fork does.
    Raises LayerError for a positive pad, a factor below 1, no size at all or one by fields and by bottom[1], and a
    bottom of which nothing is left.
    """

    messages = ("interp_param",)
    fork = "DeepLab"
    min_bottom_blobs = 1
    max_bottom_blobs = 2
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Say that the bottom which gives the size has no gradient."""
        return bottom_index == 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the sizes and what each pixel is made of."""
        param, shape = self.layer_param.interp_param, bottom[0].shape
        if len(shape) != 4:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Interp takes images, of 4 axes")
        for field in ("pad_beg", "pad_end"):
            if getattr(param, field) > 0:
                raise LayerError(
                    f"interp_param.{field}", getattr(param, field), "use 0, or -1 to cut off one row and column"
                )
        self.cut = (-param.pad_beg, -param.pad_end)
        self.sizes = (shape[2] - sum(self.cut), shape[3] - sum(self.cut))
        if min(self.sizes) < 1:
            raise LayerError("interp_param.pad_beg", param.pad_beg, f"nothing is left of {shape[2]} x {shape[3]}")
        wanted = self._wanted(bottom)
        if min(wanted) < 1:
            raise LayerError("bottom[1]", shape_or_scalar(bottom[1].shape), "it gives the size, and has no pixels")
        top[0].reshape(*shape[:2], *wanted)
        self._down, self._across = map(_taps, self.sizes, wanted)

    def _wanted(self, bottom: Blobs) -> tuple[int, int]:
        """Return height and width of the top."""
        param, (height, width) = self.layer_param.interp_param, self.sizes
        given = {field.name for field, _ in param.ListFields()} - {"pad_beg", "pad_end"}
        if len(bottom) == 2:
            for field in sorted(given):
                raise LayerError(
                    f"interp_param.{field}", getattr(param, field), "bottom[1] gives the size; take one of them out"
                )
            if bottom[1].num_axes != 4:
                raise LayerError("bottom[1]", shape_or_scalar(bottom[1].shape), "it gives the size; it needs 4 axes")
            return bottom[1].shape[2], bottom[1].shape[3]
        for field in ("zoom_factor", "shrink_factor", *sorted(given & {"height", "width"})):
            if getattr(param, field) < 1:
                raise LayerError(f"interp_param.{field}", getattr(param, field), "use 1 or more")
        factors = given & {"zoom_factor", "shrink_factor"}
        if len(factors) != 1 and {"height", "width"} <= given:
            return param.height, param.width
        if not factors:
            raise LayerError(
                "interp_param",
                "without a size",
                "give height and width, zoom_factor, shrink_factor, or a second bottom of that size",
            )
        shrunk = ((size - 1) // param.shrink_factor + 1 for size in (height, width))
        down, across = (size + (size - 1) * (param.zoom_factor - 1) for size in shrunk)
        return down, across

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the sizes."""
        (height, width), (new_height, new_width) = self.sizes, top[0].shape[2:]
        part = f", without {self.cut[0]} rows and columns before and {self.cut[1]} behind" if any(self.cut) else ""
        return (
            f"y[n, c, h, w] = x[n, c, h * {height - 1} / {max(new_height - 1, 1)}, w * {width - 1} / "
            f"{max(new_width - 1, 1)}], linear between pixels{part}"
        )

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return two pixels down and across, one where the size stays; of bottom[1] nothing is read but the shape."""
        if bottom_index:
            return None
        pairs = list(zip(self.sizes, top[0].shape[2:], strict=True))
        return Reach(
            tuple(1 if (size - 1) % max(wanted - 1, 1) == 0 else 2 for size, wanted in pairs),
            tuple(Fraction(size - 1, max(wanted - 1, 1)) for size, wanted in pairs),
        )

    def _part(self, array: Array) -> Array:
        """Return a view of the pixels that are not cut off."""
        rows, columns = (slice(self.cut[0], self.cut[0] + size) for size in self.sizes)
        return array[:, :, rows, columns]

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        part = self._part(bottom[0].data)
        top[0].data[...] = part if part.shape == top[0].shape else blend(part, self._down, self._across)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradient of bottom[0]: each pixel of the top gives its share to those it is made of."""
        if propagate_down[0]:
            bottom[0].diff.fill(0)
            blend_backward(top[0].diff, self._down, self._across, self._part(bottom[0].diff))
        if len(bottom) == 2 and propagate_down[1]:
            bottom[1].diff.fill(0)


def _taps(size: int, wanted: int) -> Taps:
    """Return the pixel before and the one behind each place, in float32."""
    step = np.float32(size - 1) / np.float32(wanted - 1) if wanted > 1 else np.float32(0)
    place = step * np.arange(wanted, dtype=np.float32)
    before = np.minimum(place.astype(np.int64), size - 1)
    behind = np.minimum(before + 1, size - 1)
    share = np.where(before < size - 1, place - before, 0).astype(np.float32)
    return Taps(np.stack([before, behind], 1), np.stack([1 - share, share], 1))
