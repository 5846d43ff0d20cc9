"""PriorBox: the default boxes of a single-shot detector (SSD). Source: prior_box_layer.cpp of weiliu89/caffe@ssd."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer

SAME_RATIO = 1e-6
VARIANCE = 0.1
PAIRS = (("img_size", "img_h", "img_w"), ("step", "step_h", "step_w"))


@register_layer("PriorBox")
class PriorBoxLayer(Layer):
    """Give boxes of some sizes and shapes around the centre of each pixel of a feature map, and their variances.

    bottom[0]: (N, C, H, W), the feature map; only its size is read.
    bottom[1]: (N, C, height, width), the image; only its size is read, and not that if img_size or img_h, img_w say it.
    top[0]:    (1, 2, H * W * P * 4). Row 0: xmin, ymin, xmax, ymax of P boxes a pixel, as fractions of the image; row
               1: their variances. P = min sizes * aspect ratios + max sizes.

    Of each min size come a square of it, a square of side sqrt(min * max) if there is a max size, and a box of the same
    area for each aspect ratio. Sizes are cut to whole pixels, as in SSD, unless whole_sizes is false. The gradients of
    the bottoms are 0.

    Raises LayerError without a min_size, for sizes, ratios, variances and steps that are not positive, for a max size
    that is not above its min size, for both forms of a field, and for bottoms without height and width.
    """

    fork = "SSD"
    messages = ("prior_box_param",)
    formula = "y = {layer.per_pixel} boxes around each of {layer.width} x {layer.height} centres, and their variances"
    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read sizes, ratios and variances."""
        param = self.layer_param.prior_box_param
        for whole, *parts in PAIRS:
            _check_one_form(param, whole, parts)
        if not param.min_size:
            raise LayerError("prior_box_param.min_size", "not given", "give the side of the smallest square in pixels")
        for name in ("min_size", "max_size", "aspect_ratio", "variance"):
            _check_positive(f"prior_box_param.{name}", getattr(param, name))
        if len(param.max_size) not in (0, len(param.min_size)):
            raise LayerError(
                "prior_box_param.max_size",
                f"given {len(param.max_size)} times",
                f"give one for each of the {len(param.min_size)} min_size, or none",
            )
        for low, high in zip(param.min_size, param.max_size, strict=False):
            if high <= low:
                raise LayerError("prior_box_param.max_size", f"{high:g}", f"it must be above its min_size, {low:g}")
        if len(param.variance) not in (0, 1, 4):
            raise LayerError("prior_box_param.variance", f"given {len(param.variance)} times", "give 1 or 4, or none")
        mins, maxes = list(param.min_size), list(param.max_size)
        if param.whole_sizes:
            mins, maxes = [float(int(size)) for size in mins], [float(int(size)) for size in maxes]
        self.sizes = box_sizes(mins, maxes, all_ratios(param.aspect_ratio, param.flip))
        self.per_pixel = len(self.sizes)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Compute the boxes, which depend on the bottoms' sizes alone, and shape the top."""
        param = self.layer_param.prior_box_param
        for index, blob in enumerate(bottom):
            if blob.num_axes < 4:
                raise LayerError(
                    f"bottom[{index}]", shape_or_scalar(blob.shape), "it needs axes N, C, height and width"
                )
        self.height, self.width = bottom[0].shape[2:4]
        image_h, image_w = bottom[1].shape[2:4]
        if param.HasField("img_h") or param.HasField("img_w"):
            image_h, image_w = param.img_h, param.img_w
        elif param.HasField("img_size"):
            image_h = image_w = param.img_size
        steps = (image_h / max(self.height, 1), image_w / max(self.width, 1))  # of no pixel there is no box
        if param.HasField("step_h") or param.HasField("step_w"):
            steps = (param.step_h, param.step_w)
        elif param.HasField("step"):
            steps = (param.step, param.step)
        rows = (np.arange(self.height) + param.offset) * steps[0]
        columns = (np.arange(self.width) + param.offset) * steps[1]
        boxes = boxes_around(rows, columns, self.sizes) / np.array([image_w, image_h] * 2)
        if param.clip:
            boxes = boxes.clip(0, 1)
        variance = np.array(param.variance or [VARIANCE])
        self.values: Array = np.empty((1, 2, boxes.size), self.dtype)
        self.values[0, 0] = boxes.ravel()
        self.values[0, 1].reshape(-1, 4)[...] = variance
        top[0].reshape(*self.values.shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Copy what reshape computed."""
        top[0].data[...] = self.values

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Set the gradients to zero."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.diff.fill(0)

    def state_bytes(self) -> int:
        """Return the size of the boxes."""
        return self.values.nbytes


def all_ratios(given: Sequence[float], flip: bool) -> list[float]:
    """Return 1 and, in their order, the given ratios that are new, each followed by its inverse if `flip`."""
    ratios = [1.0]
    for ratio in given:
        if all(abs(ratio - other) >= SAME_RATIO for other in ratios):
            ratios += [ratio, 1 / ratio] if flip else [ratio]
    return ratios


def box_sizes(min_sizes: Sequence[float], max_sizes: Sequence[float], ratios: Sequence[float]) -> Array:
    """Return width and height in pixels of each box of a pixel, (P, 2) float64."""
    sizes = []
    for index, low in enumerate(min_sizes):
        sizes.append((float(low), float(low)))
        if max_sizes:
            sizes.append((sqrt(low * max_sizes[index]),) * 2)
        sizes += [(low * sqrt(ratio), low / sqrt(ratio)) for ratio in ratios if abs(ratio - 1) >= SAME_RATIO]
    return np.array(sizes)


def boxes_around(rows: Array, columns: Array, sizes: Array) -> Array:
    """Return corners (H, W, P, 4), xmin, ymin, xmax, ymax, of boxes (P, 2) around H x W centres."""
    boxes = np.empty((len(rows), len(columns), len(sizes), 4))
    boxes[..., 0::2] = columns[:, None, None]
    boxes[..., 1::2] = rows[:, None, None, None]
    boxes[..., :2] -= sizes / 2
    boxes[..., 2:] += sizes / 2
    return boxes


def _check_one_form(param: object, whole: str, parts: Sequence[str]) -> None:
    """Refuse `whole` beside its parts, one part without the other, and what is 0."""
    given = {name: getattr(param, name) for name in (whole, *parts) if param.HasField(name)}  # type: ignore[attr-defined]
    for name, value in given.items():
        _check_positive(f"prior_box_param.{name}", [value])
        if whole in given and len(given) > 1:
            raise LayerError(f"prior_box_param.{whole}", "given", f"use either that or {' and '.join(parts)}, not both")
        if whole not in given and len(given) == 1:
            (missing,) = set(parts) - set(given)
            raise LayerError(f"prior_box_param.{missing}", "not given", f"give it beside {name}, or {whole} for both")


def _check_positive(field: str, values: Sequence[float]) -> None:
    for value in values:
        if not value > 0:
            raise LayerError(field, f"{value:g}", "it must be above 0")
