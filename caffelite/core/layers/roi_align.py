"""ROIAlign: regions of feature maps, sampled between the pixels. Source: the paper Mask R-CNN; ROIAlign of Ascend.

Forks with this layer: Mask R-CNN's of several authors, who agree on these fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.rois import RoiLayer


class _Sampling(NamedTuple):
    """Bins of a region: the rows and columns of the map that they read, and the weights of these, (bins, pixels)."""

    image: int
    region: int
    rows: slice
    columns: slice
    down: Array
    across: Array


@register_layer("ROIAlign")
class ROIAlignLayer(RoiLayer):
    """Divide each region into bins, and take the mean of samples in each bin, linear between the pixels.

    bottom[0]: (N, C, H, W).
    bottom[1]: (R, 5), further axes of size 1: image, x1, y1, x2, y2 in pixels of the image, not rounded.
    top[0]: (R, C, pooled_h, pooled_w).

    A bin has sampling_ratio samples down and across, or as many as it is pixels high and wide, rounded up. A sample
    more than a pixel outside of the map is 0; one nearer takes the value of the border.

    Raises LayerError for sizes and scales that are not positive, roi_end_mode other than 0, other shapes, images that
    the batch lacks, corners beyond 1e6, and maps without pixels.
    """

    fork = "Mask R-CNN, Ascend"
    messages = ("roi_align_param",)
    formula = "y = mean of samples in each of {layer.param.pooled_h} x {layer.param.pooled_w} bins of a region"
    gradient_reads_bottoms = True  # the regions

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Check the fields."""
        self.param = param = self.layer_param.roi_align_param
        for name in ("pooled_h", "pooled_w", "spatial_scale"):
            value = getattr(param, name)
            if not value > 0:
                raise LayerError(f"roi_align_param.{name}", f"{value:g}", "it must be above 0")
        if param.roi_end_mode != 0:
            raise LayerError("roi_align_param.roi_end_mode", param.roi_end_mode, "only 0 is known here; leave it out")

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        count = self.check_bottoms(bottom)
        top[0].reshape(count, bottom[0].shape[1], self.param.pooled_h, self.param.pooled_w)

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top: samples and means are linear along each axis, so two matrices make them."""
        for at in self._samplings(bottom):
            top[0].data[at.region] = at.down @ bottom[0].data[at.image, :, at.rows, at.columns] @ at.across.T

    @np.errstate(over="ignore", invalid="ignore")
    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the maps' gradient, by the same weights."""
        if not self.start_gradient(propagate_down, bottom):
            return
        for at in self._samplings(bottom):
            diff = bottom[0].diff[at.image, :, at.rows, at.columns]
            diff += at.down.T @ top[0].diff[at.region] @ at.across

    def _samplings(self, bottom: Blobs) -> Iterator[_Sampling]:
        images, corners = self.regions(bottom)
        for region, (image, (x1, y1, x2, y2)) in enumerate(
            zip(images, corners * self.param.spatial_scale, strict=True)
        ):
            rows, down = self._weights(y1, y2, self.param.pooled_h, bottom[0].shape[2])
            columns, across = self._weights(x1, x2, self.param.pooled_w, bottom[0].shape[3])
            yield _Sampling(image, region, rows, columns, down, across)

    def _weights(self, start: float, end: float, pooled: int, length: int) -> tuple[slice, Array]:
        """Return the pixels of an axis that the bins read, and their weights in the bins, (pooled, pixels)."""
        size = max(end - start, 1) / pooled
        ratio = self.param.sampling_ratio
        samples = ratio if ratio > 0 else int(np.ceil(size))
        places = start + (np.arange(pooled * samples) + 0.5) * (size / samples)
        inside = (places >= -1) & (places <= length)
        places = places.clip(0, length - 1)
        low = places.astype(np.int64)
        high = np.minimum(low + 1, length - 1)
        share = (places - low) * inside
        weights = np.zeros((pooled, length), self.dtype)
        bin_of = np.arange(len(places)) // samples
        np.add.at(weights, (bin_of, low), (inside - share) / samples)
        np.add.at(weights, (bin_of, high), share / samples)
        used = slice(low.min(), high.max() + 1)
        return used, weights[:, used]
