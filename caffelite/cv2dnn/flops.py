"""Operations of a layer as OpenCV counts them: a product and a sum are two. Observed with getFLOPS."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from caffelite.core.blob import Shape
from caffelite.cv2dnn.engine import Shapes
from caffelite.proto.caffe_pb2 import LayerParameter, LRNParameter, PoolingParameter

# Operations of one number of the output.
_EACH = {
    "ReLU": 1, "TanH": 1, "AbsVal": 1, "PReLU": 1, "Log": 1,
    "ELU": 2, "ReLU6": 2, "Scale": 2,
    "Sigmoid": 3, "Exp": 3, "Swish": 3, "BatchNorm": 3,
    "Softmax": 4, "BNLL": 5,
}  # fmt: skip
_POWER, _SCALE = 10, 2  # of Power, with another power than 1 and without


def flops(kind: str, layer: LayerParameter, shapes: Shapes, weights: Shape) -> int:
    """Return the operations of a layer of these shapes; `weights` is the shape of its first parameter, () if none.

    `kind` is the layer's type as OpenCV says it.

    Layers that only move numbers, and those whose operations OpenCV does not count, have 0.
    """
    count = sum(prod(shape) for shape in shapes.outputs)
    if kind in _EACH:
        return _EACH[kind] * count
    rule = _RULES.get(kind)
    return 0 if rule is None else rule(layer, shapes, weights, count)


def _convolution(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    # OpenCV takes no account of groups
    return count * (2 * shapes.inputs[0][1] * prod(weights[2:]) + 1)


def _deconvolution(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    channels = layer.convolution_param.num_output
    return 2 * channels * prod(weights[2:]) * sum(prod(shape) for shape in shapes.inputs)


def _inner_product(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    return 3 * prod(weights) // max(layer.inner_product_param.num_output, 1) * count


def _pooling(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    param = layer.pooling_param
    if param.global_pooling:
        return count * (prod(shapes.inputs[0][2:]) + (param.pool == PoolingParameter.AVE))
    height, width = param.kernel_h or param.kernel_size or 1, param.kernel_w or param.kernel_size or 1
    return count * (height * width + (param.pool == PoolingParameter.AVE))


def _lrn(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    size, (num, channels, *space) = layer.lrn_param.local_size, shapes.inputs[0]
    if layer.lrn_param.norm_region == LRNParameter.WITHIN_CHANNEL:
        return count * (2 * size * size + 2)
    half, plane = (size - 1) // 2, prod(space)
    total = num * (min(half, channels) * 2 * plane + channels * 4 * plane)
    return total + (size + 2 * (channels - size)) * plane if half < channels else total


def _eltwise(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    return len(shapes.inputs) * count


def _mvn(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    return 6 * count + 3 * prod(shapes.inputs[0][: 1 if layer.mvn_param.across_channels else 2])


def _prior_box(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    boxes = shapes.outputs[0][2] // prod(shapes.inputs[0][2:])  # numbers of one place, 4 a box
    return boxes * sum(prod(shape[2:]) for shape in shapes.inputs)


def _power(layer: LayerParameter, shapes: Shapes, weights: Shape, count: int) -> int:
    return count * (_SCALE if layer.power_param.power == 1 else _POWER)


_Rule = Callable[[LayerParameter, Shapes, Shape, int], int]
_RULES: dict[str, _Rule] = {
    "Convolution": _convolution,
    "ConvolutionDepthwise": _convolution,
    "DepthwiseConvolution": _convolution,
    "Deconvolution": _deconvolution,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "LRN": _lrn,
    "Eltwise": _eltwise,
    "MVN": _mvn,
    "Power": _power,
    "PriorBox": _prior_box,
}
