"""ROIPooling: regions of feature maps, pooled to one size. Source: roi_pooling_layer.cpp of rbgirshick/caffe-fast-rcnn.

The fields pooled_size (Intel's), spatial_scale_h and spatial_scale_w (Huawei's) are read, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.rois import RoiLayer, bins, rounded

FAR = 2**30  # beyond any map


@register_layer("ROIPooling")
class ROIPoolingLayer(RoiLayer):
    """Divide each region into bins, and keep the largest value of each bin and channel.

    bottom[0]: (N, C, H, W).
    bottom[1]: (R, 5), further axes of size 1: image, x1, y1, x2, y2 in pixels of the image, corners included.
    top[0]: (R, C, pooled_h, pooled_w); 0 where a bin lies outside of the map.

    Corners times spatial_scale are rounded to pixels; bins share pixels where their edges are between two. The
    gradient goes to the first pixel of the largest value; regions get none.

    Raises LayerError for sizes and scales that are not positive, other shapes, images that the batch lacks, corners
    beyond 1e6, and maps without pixels.
    """

    fork = "Fast R-CNN"
    messages = ("roi_pooling_param",)
    formula = "y = max over the bins of {layer.pooled_h} x {layer.pooled_w} of each region"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read sizes and scales."""
        param = self.layer_param.roi_pooling_param
        self.pooled_h, self.pooled_w = param.pooled_h, param.pooled_w
        if param.pooled_size and len(param.pooled_size) <= 2:
            self.pooled_h, self.pooled_w = param.pooled_size[0], param.pooled_size[-1]
        elif param.pooled_size:
            raise LayerError(
                "roi_pooling_param.pooled_size", f"given {len(param.pooled_size)} times", "give height and width"
            )
        for name, size in (("pooled_h", self.pooled_h), ("pooled_w", self.pooled_w)):
            if not size:
                raise LayerError(f"roi_pooling_param.{name}", 0, "use 1 or more bins")
        self.scales = tuple(
            getattr(param, name) if param.HasField(name) else param.spatial_scale
            for name in ("spatial_scale_w", "spatial_scale_h")
        )
        if not min(self.scales) > 0:
            raise LayerError(
                "roi_pooling_param.spatial_scale",
                f"{min(self.scales):g}",
                "give pixels of the map for one of the image, as 0.0625",
            )

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape(self.check_bottoms(bottom), bottom[0].shape[1], self.pooled_h, self.pooled_w)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        maps = np.ascontiguousarray(bottom[0].data.transpose(0, 2, 3, 1))  # channels last: one long row a pixel
        top[0].data.fill(0)
        for n, r, i, j, rows, columns in self._filled_bins(bottom):
            top[0].data[r, :, i, j] = maps[n, rows, columns].max((0, 1))

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the maps' gradient: each value's goes to the first largest pixel of its bin."""
        if not self.start_gradient(propagate_down, bottom):
            return
        maps = np.ascontiguousarray(bottom[0].data.transpose(0, 2, 3, 1))
        channels = np.arange(bottom[0].shape[1])
        for n, r, i, j, rows, columns in self._filled_bins(bottom):
            region = maps[n, rows, columns]
            place = region.reshape(-1, len(channels)).argmax(0)
            row, column = rows.start + place // region.shape[1], columns.start + place % region.shape[1]
            bottom[0].diff[n, channels, row, column] += top[0].diff[r, :, i, j]

    def _filled_bins(self, bottom: Blobs) -> Iterator[tuple[int, int, int, int, slice, slice]]:
        """Yield image, region, row and column of each bin with pixels, and these."""
        images, corners = self.regions(bottom)
        rows, columns = self._bins(corners, bottom[0].shape[2], bottom[0].shape[3])
        for r, n in enumerate(images):
            for i, (first_row, last_row) in enumerate(rows[r]):
                for j, (left, last_column) in enumerate(columns[r]):
                    if first_row < last_row and left < last_column:
                        yield n, r, i, j, slice(first_row, last_row), slice(left, last_column)

    def _bins(self, corners: Array, height: int, width: int) -> tuple[Array, Array]:
        """Return first and last + 1 pixel of the bins down, (R, pooled_h, 2), and across, (R, pooled_w, 2)."""
        cells = rounded(corners * np.array(self.scales * 2, self.dtype))
        found = []
        for axis, pooled, length in ((1, self.pooled_h, height), (0, self.pooled_w, width)):
            sizes = np.maximum(cells[:, axis + 2] - cells[:, axis] + 1, 1) / self.dtype.type(pooled)
            # a bin's edges are whole pixels from the corner, so that this is added after rounding
            first, last = bins(np.zeros_like(sizes), sizes, pooled, FAR)
            found.append((np.stack([first, last], -1) + cells[:, axis, None, None].astype(np.int64)).clip(0, length))
        return found[0], found[1]
