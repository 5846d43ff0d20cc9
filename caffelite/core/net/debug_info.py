"""debug_info: mean absolute values of blobs, logged as a pass goes on. The lines are Caffe's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.format import mean_abs, number

if TYPE_CHECKING:
    from caffelite.core.net.net import Net

log = logging.getLogger("caffelite")


class DebugInfo:
    """Writes the [Forward] and [Backward] lines of one net."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def forward(self, index: int) -> None:
        """Log the tops and parameters of a layer that ran forward."""
        layer = self.net.core_layers[index]
        start = f"    [Forward] Layer {layer.name}, "
        for name, blob in self.net.tops(index):
            log.info("%stop blob %s data: %s", start, name, mean_abs(blob.data))
        for name, blob in zip(self.net.param_names(index), layer.blobs, strict=True):
            log.info("%sparam blob %s data: %s", start, name, mean_abs(blob.data))

    def backward(self, index: int) -> None:
        """Log the gradients of a layer that ran backward, those it computed."""
        layer = self.net.core_layers[index]
        start = f"    [Backward] Layer {layer.name}, "
        flags = self.net.bottom_need_backward[index]
        for (name, blob), flag in zip(self.net.bottoms(index), flags, strict=True):
            if flag:
                log.info("%sbottom blob %s diff: %s", start, name, mean_abs(blob.diff))
        for i, (blob, flag) in enumerate(zip(layer.blobs, layer.param_propagate_down, strict=True)):
            if flag:
                log.info("%sparam blob %d diff: %s", start, i, mean_abs(blob.diff))

    def net_params(self) -> None:
        """Log the norms of all parameters and gradients, at ERROR level as Caffe does."""
        data, diff = self.net.arena.data, self.net.arena.diff
        l1 = f"({number(_l1(data))}, {number(_l1(diff))})"
        l2 = f"({number(_l2(data))}, {number(_l2(diff))})"
        log.error("    [Backward] All net params (data, diff): L1 norm = %s; L2 norm = %s", l1, l2)


def _l1(values: Array) -> float:
    return float(np.abs(values).sum())


def _l2(values: Array) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).sum()))
