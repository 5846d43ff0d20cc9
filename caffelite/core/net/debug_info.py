"""debug_info: mean absolute values of blobs, logged as a pass goes on. The lines are Caffe's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.format import mean_abs, number
from caffelite.core.net.plan import LayerStep, Observer

log = logging.getLogger("caffelite")


class Names(NamedTuple):
    """Names of a layer's bottoms, tops and parameters."""

    bottom: Sequence[str]
    top: Sequence[str]
    params: Sequence[str]


class DebugInfo(Observer):
    """Writes the [Forward] and [Backward] lines of one net; `steps` and `names` have one entry a layer."""

    def __init__(self, steps: Sequence[LayerStep], names: Sequence[Names]) -> None:
        self.steps, self.names = steps, names

    def after_forward(self, index: int) -> None:
        """Log the tops and parameters of a layer that ran forward."""
        step, names = self.steps[index], self.names[index]
        start = f"    [Forward] Layer {step.layer.name}, "
        for name, blob in zip(names.top, step.top, strict=True):
            log.info("%stop blob %s data: %s", start, name, mean_abs(blob.data))
        for name, blob in zip(names.params, step.layer.blobs, strict=True):
            log.info("%sparam blob %s data: %s", start, name, mean_abs(blob.data))

    def after_backward(self, index: int) -> None:
        """Log the gradients of a layer that ran backward, those it computed."""
        step, names = self.steps[index], self.names[index]
        if not step.need_backward:
            return
        start = f"    [Backward] Layer {step.layer.name}, "
        for name, blob, flag in zip(names.bottom, step.bottom, step.propagate_down, strict=True):
            if flag:
                log.info("%sbottom blob %s diff: %s", start, name, mean_abs(blob.diff))
        for i, (blob, flag) in enumerate(zip(step.layer.blobs, step.layer.param_propagate_down, strict=True)):
            if flag:
                log.info("%sparam blob %d diff: %s", start, i, mean_abs(blob.diff))


def log_norms(data: Array, diff: Array) -> None:
    """Log the norms of all parameters and gradients of a net, at ERROR level as Caffe does."""
    l1 = f"({number(_l1(data))}, {number(_l1(diff))})"
    l2 = f"({number(_l2(data))}, {number(_l2(diff))})"
    log.error("    [Backward] All net params (data, diff): L1 norm = %s; L2 norm = %s", l1, l2)


def _l1(values: Array) -> float:
    return float(np.abs(values).sum())


def _l2(values: Array) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).sum()))
