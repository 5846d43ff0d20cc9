"""What PyTorch computes for one layer of a prototxt, as its users would write it: a function of the bottoms."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from caffelite.proto.caffe_pb2 import EltwiseParameter, LayerParameter, LRNParameter, PoolingParameter

Run = Callable[..., Tensor | Sequence[Tensor]]
Make = Callable[[LayerParameter, list[Tensor]], Run]

LAYERS: dict[str, Make] = {}


def torch_layer(type_name: str) -> Callable[[Make], Make]:
    """Decorate the function that makes the runner of a layer type from its LayerParameter and parameters."""

    def add(make: Make) -> Make:
        LAYERS[type_name] = make
        return make

    return add


def runner_for(layer: LayerParameter, params: list[Tensor]) -> Run:
    """Return the function that runs this layer; SystemExit names a type that has none."""
    if layer.type not in LAYERS:
        raise SystemExit(f'layer "{layer.name}" ({layer.type}): cannot be timed in PyTorch; known: {", ".join(LAYERS)}')
    return LAYERS[layer.type](layer, params)


def _pair(values: Sequence[int], by_axis: tuple[int, int], default: int) -> tuple[int, int]:
    """Height and width of a window field: `kernel_h` and `kernel_w` if given, else the repeated field."""
    if any(by_axis):
        return by_axis
    both = list(values) or [default]
    return both[0], both[-1]


@torch_layer("Convolution")
def _convolution(layer: LayerParameter, params: list[Tensor]) -> Run:
    param = layer.convolution_param
    stride = _pair(param.stride, (param.stride_h, param.stride_w), 1)
    pad = _pair(param.pad, (param.pad_h, param.pad_w), 0)
    dilation = _pair(param.dilation, (0, 0), 1)
    weight, bias = params[0], params[1] if param.bias_term else None
    return lambda x: F.conv2d(x, weight, bias, stride, pad, dilation, param.group)


@torch_layer("InnerProduct")
def _inner_product(layer: LayerParameter, params: list[Tensor]) -> Run:
    param = layer.inner_product_param
    weight = params[0].t() if param.transpose else params[0]
    bias = params[1] if param.bias_term else None
    return lambda x: F.linear(x.flatten(param.axis), weight, bias)


@torch_layer("Pooling")
def _pooling(layer: LayerParameter, params: list[Tensor]) -> Run:
    param = layer.pooling_param
    kernel = _pair([param.kernel_size], (param.kernel_h, param.kernel_w), 0)
    stride = _pair([param.stride], (param.stride_h, param.stride_w), 1)
    pad = _pair([param.pad], (param.pad_h, param.pad_w), 0)
    ceil = param.round_mode == PoolingParameter.CEIL
    if param.pool == PoolingParameter.MAX:
        pool = F.adaptive_max_pool2d if param.global_pooling else F.max_pool2d
    elif param.pool == PoolingParameter.AVE:
        pool = F.adaptive_avg_pool2d if param.global_pooling else F.avg_pool2d
    else:
        raise SystemExit(f'layer "{layer.name}": stochastic pooling cannot be timed in PyTorch')
    if param.global_pooling:
        return lambda x: pool(x, 1)
    return lambda x: pool(x, kernel, stride, pad, ceil_mode=ceil)


@torch_layer("LRN")
def _lrn(layer: LayerParameter, params: list[Tensor]) -> Run:
    param = layer.lrn_param
    size, alpha, beta, k = param.local_size, param.alpha, param.beta, param.k
    if param.norm_region == LRNParameter.ACROSS_CHANNELS:
        return lambda x: F.local_response_norm(x, size, alpha, beta, k)
    return lambda x: x * (1 + alpha * F.avg_pool2d(x * x, size, 1, (size - 1) // 2)).pow(-beta)


@torch_layer("BatchNorm")
def _batch_norm(layer: LayerParameter, params: list[Tensor]) -> Run:
    """Run with statistics of the batch; `params` are weight and bias of the Scale layer behind it, if any."""
    param = layer.batch_norm_param
    weight, bias = [*params, None, None][:2]
    momentum = 1 - param.moving_average_fraction
    moving: dict[int, tuple[Tensor, Tensor]] = {}

    def run(x: Tensor) -> Tensor:
        if not moving:
            moving[0] = x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
        return F.batch_norm(x, *moving[0], weight, bias, True, momentum, param.eps)

    return run


@torch_layer("Scale")
def _scale(layer: LayerParameter, params: list[Tensor]) -> Run:
    shape = (-1, 1, 1)
    if layer.scale_param.bias_term:
        return lambda x: x * params[0].view(shape) + params[1].view(shape)
    return lambda x: x * params[0].view(shape)


@torch_layer("Eltwise")
def _eltwise(layer: LayerParameter, params: list[Tensor]) -> Run:
    operation, coeff = layer.eltwise_param.operation, list(layer.eltwise_param.coeff)
    if operation == EltwiseParameter.PROD:
        return lambda *xs: _fold(torch.mul, xs)
    if operation == EltwiseParameter.MAX:
        return lambda *xs: _fold(torch.maximum, xs)
    if coeff:
        return lambda *xs: _fold(torch.add, [c * x for c, x in zip(coeff, xs, strict=True)])
    return lambda *xs: _fold(torch.add, xs)


def _fold(operation: Callable[[Tensor, Tensor], Tensor], xs: Sequence[Tensor]) -> Tensor:
    result = xs[0]
    for x in xs[1:]:
        result = operation(result, x)
    return result


@torch_layer("ReLU")
def _relu(layer: LayerParameter, params: list[Tensor]) -> Run:
    slope, inplace = layer.relu_param.negative_slope, layer.bottom[0] == layer.top[0]
    return lambda x: F.leaky_relu(x, slope, inplace) if slope else F.relu(x, inplace)


@torch_layer("Dropout")
def _dropout(layer: LayerParameter, params: list[Tensor]) -> Run:
    ratio = layer.dropout_param.dropout_ratio
    return lambda x: F.dropout(x, ratio, True)  # not in place: the gradient of a ReLU before it needs the ReLU's result


@torch_layer("Power")
def _identity(layer: LayerParameter, params: list[Tensor]) -> Run:
    param = layer.power_param
    assert (param.power, param.scale, param.shift) == (1, 1, 0), "only the identity is needed here"
    return lambda x: x


@torch_layer("Concat")
def _concat(layer: LayerParameter, params: list[Tensor]) -> Run:
    axis = layer.concat_param.axis
    return lambda *xs: torch.cat(xs, axis)


@torch_layer("Flatten")
def _flatten(layer: LayerParameter, params: list[Tensor]) -> Run:
    param = layer.flatten_param
    return lambda x: x.flatten(param.axis, param.end_axis)


@torch_layer("Split")
def _split(layer: LayerParameter, params: list[Tensor]) -> Run:
    return lambda x: [x] * len(layer.top)  # autograd adds up the gradients, as a Split layer does


@torch_layer("Softmax")
def _softmax(layer: LayerParameter, params: list[Tensor]) -> Run:
    axis = layer.softmax_param.axis
    return lambda x: F.softmax(x, axis)


@torch_layer("SoftmaxWithLoss")
def _softmax_loss(layer: LayerParameter, params: list[Tensor]) -> Run:
    return lambda x, label: F.cross_entropy(x.flatten(1), label)
