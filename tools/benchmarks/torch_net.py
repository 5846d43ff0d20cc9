"""The same net in PyTorch: every layer of one of our nets translated, with the same weights and input."""

from collections import Counter

import numpy as np
import torch
from torch import Tensor
from torch_layers import Run, runner_for

from caffelite.proto.caffe_pb2 import LayerParameter
from caffelite.pycaffe import Net


class TorchNet:
    """Runs the layers of `net` one after the other; `channels_last` stores images as NHWC.

    A Scale layer right behind a BatchNorm becomes part of it, as in torch.nn.BatchNorm2d.
    """

    def __init__(self, net: Net, channels_last: bool) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        params = {name: [_copy(blob.data, layout) for blob in blobs] for name, blobs in net.params.items()}
        self.inputs = {name: _copy(net.blobs[name].data, layout) for name in net.inputs}
        self.inputs["label"] = self.inputs["label"].long()
        self.loss_weights: dict[str, float] = {}
        self.steps: list[tuple[Run, list[str], list[str]]] = []
        self.params: list[Tensor] = []
        self._translate([layer.layer_param for layer in net.layers if layer.type != "Input"], params)

    def _translate(self, layers: list[LayerParameter], params: dict[str, list[Tensor]]) -> None:
        readers = Counter(bottom for layer in layers for bottom in layer.bottom)
        merged: set[str] = set()
        for layer, following in zip(layers, [*layers[1:], None], strict=True):
            if layer.name in merged:
                continue
            own, tops = params.get(layer.name, []), list(layer.top)
            if layer.type == "BatchNorm":
                own = []  # its blobs are statistics, not parameters
                if following is not None and _belongs_to(following, layer, readers):
                    own, tops = params[following.name], list(following.top)
                    merged.add(following.name)
            for param in own:
                param.requires_grad_(True)
            self.params += own
            self.steps.append((runner_for(layer, own), list(layer.bottom), tops))
            if layer.type == "SoftmaxWithLoss":
                self.loss_weights[tops[0]] = layer.loss_weight[0] if layer.loss_weight else 1.0

    def forward(self) -> Tensor:
        """Run all layers and return the weighted sum of the losses."""
        blobs = dict(self.inputs)
        for run, bottoms, tops in self.steps:
            result = run(*[blobs[name] for name in bottoms])
            blobs.update(zip(tops, [result] if isinstance(result, Tensor) else result, strict=True))
        return sum((weight * blobs[name] for name, weight in self.loss_weights.items()), torch.zeros(()))

    def clear_param_diffs(self) -> None:
        """Set the gradients of the parameters to zero; the next backward pass adds to them."""
        for param in self.params:
            if param.grad is not None:
                param.grad.zero_()


def _belongs_to(scale: LayerParameter, norm: LayerParameter, readers: Counter[str]) -> bool:
    """Whether a Scale layer with bias reads what the BatchNorm layer makes, and nobody else does."""
    top, in_place = norm.top[0], norm.top[0] == norm.bottom[0]
    alone = in_place or readers[top] == 1 or scale.top[0] == top
    return scale.type == "Scale" and list(scale.bottom) == [top] and scale.scale_param.bias_term and alone


def _copy(array: np.ndarray, layout: torch.memory_format) -> Tensor:
    tensor = torch.from_numpy(array.copy())
    return tensor.contiguous(memory_format=layout) if tensor.dim() == 4 else tensor
