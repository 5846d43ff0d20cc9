"""Upsample, two bottoms: pooling undone. Source: alexgkendall/caffe-segnet, src/caffe/layers/upsample_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.layer import register_layer
from caffelite.core.layers.shared.to_places import ToPlacesLayer
from caffelite.proto import caffe_pb2

NOT_READ = {
    f"upsample_param.{name}": "it is for layers with one bottom, which repeat pixels"
    for name in ("stride", "stride_h", "stride_w")
}


@register_layer("Upsample", when=lambda layer: len(layer.bottom) == 2)
class UpsampleUnpoolingLayer(ToPlacesLayer):
    """Put each value where a MAX Pooling layer found it, and 0 elsewhere.

    bottom[0]: x: (N, C, H, W).
    bottom[1]: the places, of the same shape: the second top of that Pooling, h * width + w in one plane of the top.
    top[0]:    (N, C, upsample_h, upsample_w), or (N, C, H * scale - 1 if pad_out_h, W * scale - 1 if pad_out_w);
               scale is 2 unless it, or scale_h and scale_w, is given.

    SegNet's form, taken for two bottoms. Of several values for one place the last one stands, and it alone has a
    gradient (SegNet gives it to all). The top's size follows the bottom's; SegNet keeps the first one.
    Raises LayerError for sizes that contradict each other, and, when run, for places outside the plane.
    """

    messages = ("upsample_param",)
    not_read = NOT_READ
    fork = "SegNet"
    size_fields = "upsample_h and upsample_w"

    def size_of_top(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the top; LayerError for fields that contradict each other."""
        return _size(self.layer_param.upsample_param, height, width)


def _size(param: caffe_pb2.UpsampleParameter, height: int, width: int) -> tuple[int, int]:
    _check_both(param, "upsample_h", "upsample_w")
    _check_both(param, "scale_h", "scale_w")
    if param.HasField("upsample_h"):
        sizes = (param.upsample_h, param.upsample_w)
        if min(sizes) < 1:
            raise LayerError("upsample_param.upsample_h", f"{sizes[0]}, upsample_w {sizes[1]}", "use 1 or more")
        return sizes
    scale = param.scale if param.HasField("scale") else 2
    down, across = (param.scale_h, param.scale_w) if param.HasField("scale_h") else (scale, scale)
    for factor, side, padded in ((down, "h", param.pad_out_h), (across, "w", param.pad_out_w)):
        field = f"upsample_param.scale{f'_{side}' if param.HasField('scale_h') else ''}"
        if not (factor >= 1 and factor % 1 == 0):  # inf % 1 is nan
            raise LayerError(field, f"{factor:g}", "use a whole number, the stride of the Pooling layer")
        if padded and factor != 2:
            raise LayerError(f"upsample_param.pad_out_{side}", "true", f"it needs scale 2, but {field} is {factor:g}")
    return height * int(down) - param.pad_out_h, width * int(across) - param.pad_out_w


def _check_both(param: caffe_pb2.UpsampleParameter, first: str, second: str) -> None:
    for given, missing in ((first, second), (second, first)):
        if param.HasField(given) and not param.HasField(missing):
            raise LayerError(f"upsample_param.{given}", getattr(param, given), f"give {missing}, too")
