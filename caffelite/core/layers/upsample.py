"""Upsample, one bottom: pixels made larger. Source: eric612/MobileNet-YOLO, upsample_layer.cpp; Huawei's ATC manual."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from caffelite.core.costs import Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, Layer, register_layer

NOT_READ = {
    f"upsample_param.{name}": "it is for layers with two bottoms, which put values where a Pooling layer found them"
    for name in ("scale_h", "scale_w", "pad_out_h", "pad_out_w", "upsample_h", "upsample_w")
}


@register_layer("Upsample")
class UpsampleLayer(Layer):
    """Repeat each pixel `scale` times down and across.

    bottom[0]: (..., H, W).
    top[0]:    (..., H * scale, W * scale): the value of the pixel that is nearest.

    With `stride`, or stride_h and stride_w, the layer is Huawei's: these are the factors of the sizes, and all values
    are multiplied by `scale`. Else it is YOLO's. With two bottoms it is SegNet's, another class.
    Raises LayerError for factors that are no whole numbers from 1 on, and for a bottom with fewer than two axes.
    """

    messages = ("upsample_param",)
    not_read = NOT_READ
    formula = "y[..., h, w] = {layer.gain:g} * x[..., h // {layer.factors[0]}, w // {layer.factors[1]}]"
    fork = "YOLO"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1
    gradient_reads_bottoms = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the factors."""
        param = self.layer_param.upsample_param
        scale = param.scale if param.HasField("scale") else 1.0
        if any(param.HasField(name) for name in ("stride", "stride_h", "stride_w")):
            self.gain, both = scale, param.stride if param.HasField("stride") else 2
            self.factors = (
                self._factor("stride_h", param.stride_h if param.HasField("stride_h") else both),
                self._factor("stride_w", param.stride_w if param.HasField("stride_w") else both),
            )
        else:
            self.gain, self.factors = 1.0, (self._factor("scale", scale),) * 2

    def _factor(self, field: str, value: float) -> int:
        """Return the value if it is a factor for sizes; LayerError naming the field that was written if not."""
        if not (value >= 1 and value % 1 == 0):  # inf % 1 is nan
            written = field if self.layer_param.upsample_param.HasField(field) else "stride"
            raise LayerError(f"upsample_param.{written}", f"{value:g}", "use a whole number, 2 for twice the size")
        return int(value)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        shape = bottom[0].shape
        if len(shape) < 2:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "Upsample takes images, with height and width")
        down, across = self.factors
        top[0].reshape(*shape[:-2], shape[-2] * down, shape[-1] * across)
        self._rows = (*shape[:-1], down, shape[-1] * across)  # of the top: those of one row of the bottom are an axis

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        rows = top[0].data.reshape(self._rows)
        across = self.factors[1]
        for column in range(across):
            rows[..., 0, column::across] = bottom[0].data
        if self.gain != 1:
            rows[..., 0, :] *= self.gain
        rows[..., 1:, :] = rows[..., :1, :]

    @np.errstate(over="ignore", invalid="ignore")
    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient with the sum over each pixel's block."""
        if not propagate_down[0]:
            return
        row = top[0].diff.reshape(self._rows).sum(axis=-2)
        across, dx = self.factors[1], bottom[0].diff
        dx[...] = row[..., ::across]
        for column in range(1, across):
            dx += row[..., column::across]
        if self.gain != 1:
            dx *= self.gain

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return one pixel, which is the same for a block of the top."""
        if bottom[0].num_axes != 4:
            return None
        return Reach((1, 1), tuple(Fraction(1, factor) for factor in self.factors))
