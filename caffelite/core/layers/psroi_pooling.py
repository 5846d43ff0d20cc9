"""PSROIPooling: means of the bins of regions, each bin from channels of its own.

Source: psroi_pooling_layer.cu of R-FCN (Goingqs/py-R-FCN-multiGPU).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.rois import RoiLayer, bins, rounded

SMALLEST = 0.1  # side of a region, in pixels of the map


@register_layer("PSROIPooling")
class PSROIPoolingLayer(RoiLayer):
    """Divide each region into group_size x group_size bins, and take the mean of each in channels of its own.

    bottom[0]: (N, output_dim * group_size^2, H, W); channel (d * group_size + i) * group_size + j is of the bin in row
        i and column j.
    bottom[1]: (R, 5), further axes of size 1: image, x1, y1, x2, y2 in pixels of the image, corners included.
    top[0]: (R, output_dim, group_size, group_size); 0 where a bin lies outside of the map.

    Raises LayerError for sizes and scales that are not positive, other shapes, images that the batch lacks, corners
    beyond 1e6, and maps without pixels.
    """

    fork = "R-FCN"
    messages = ("psroi_pooling_param",)
    formula = "y = mean of each of {layer.group} x {layer.group} bins of a region, in channels of its own"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read sizes and scale."""
        param = self.layer_param.psroi_pooling_param
        for name in ("spatial_scale", "output_dim", "group_size"):
            value = getattr(param, name)
            if not value > 0:
                given = f"{value:g}" if param.HasField(name) else "not given"
                raise LayerError(f"psroi_pooling_param.{name}", given, "it must be above 0")
        self.group, self.depth = param.group_size, param.output_dim
        self.scale = self.dtype.type(param.spatial_scale)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check the channels and shape the top."""
        count = self.check_bottoms(bottom)
        wanted = self.depth * self.group**2
        if bottom[0].shape[1] != wanted:
            raise LayerError(
                "bottom[0]",
                shape_string(bottom[0].shape),
                f"output_dim {self.depth} * group_size {self.group}^2 needs {wanted} channels",
            )
        top[0].reshape(count, self.depth, self.group, self.group)

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        maps = self._grouped(bottom[0].data)
        top[0].data.fill(0)
        for n, r, i, j, rows, columns in self._filled_bins(bottom):
            top[0].data[r, :, i, j] = maps[n, :, i, j, rows, columns].mean((1, 2))

    @np.errstate(over="ignore", invalid="ignore")
    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the maps' gradient: each mean's is spread over its bin."""
        if not self.start_gradient(propagate_down, bottom):
            return
        diffs = self._grouped(bottom[0].diff)
        for n, r, i, j, rows, columns in self._filled_bins(bottom):
            pixels = diffs[n, :, i, j, rows, columns]
            pixels += (top[0].diff[r, :, i, j] / (pixels[0].size))[:, None, None]

    def _grouped(self, maps: np.ndarray) -> np.ndarray:
        """Return maps (N, C, H, W) as (N, output_dim, group_size, group_size, H, W)."""
        return maps.reshape(-1, self.depth, self.group, self.group, *maps.shape[2:])

    def _filled_bins(self, bottom: Blobs) -> Iterator[tuple[int, int, int, int, slice, slice]]:
        """Yield image, region, row and column of each bin with pixels, and these."""
        images, corners = self.regions(bottom)
        starts = rounded(corners[:, :2]) * self.scale
        ends = (rounded(corners[:, 2:]) + 1) * self.scale
        sizes = np.maximum(ends - starts, self.dtype.type(SMALLEST)) / self.dtype.type(self.group)
        height, width = bottom[0].shape[2:]
        rows = np.stack(bins(starts[:, 1], sizes[:, 1], self.group, height), -1)
        columns = np.stack(bins(starts[:, 0], sizes[:, 0], self.group, width), -1)
        for r, n in enumerate(images):
            for i, (first_row, last_row) in enumerate(rows[r]):
                for j, (left, last_column) in enumerate(columns[r]):
                    if first_row < last_row and left < last_column:
                        yield n, r, i, j, slice(first_row, last_row), slice(left, last_column)
