"""Test a solver's net: means of a test net's outputs over test_iter batches. Source: src/caffe/solver.cpp."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.events import Events, NetTestFinished, NetTestInterrupted, Output
from caffelite.core.net.net import Net
from caffelite.core.solver.display import outputs_of
from caffelite.core.solver.nan_watch import warn_of_bad_output


@dataclass(frozen=True)
class NetTest:
    """One test: of test net `index`, after `iter` updates, over so many batches, with or without the loss."""

    index: int
    iter: int
    batches: int
    compute_loss: bool


def run_test(net: Net, test: NetTest, events: Events, stop_asked: Callable[[], bool]) -> tuple[Output, ...] | None:
    """Run a test net with the weights that it has; return its outputs, or None if a stop was asked for.

    That is asked at each batch.

    Random draws are a function of iteration and batch, so that a test made again draws the same.
    """
    start, total_loss = time.perf_counter(), 0.0
    sums: list[Array] = []
    for batch in range(test.batches):
        if stop_asked():
            events.send(NetTestInterrupted(test.iter, test.index))
            return None
        net.context.passes = test.iter * test.batches + batch
        total_loss += net.forward_pass()
        warn_of_bad_output(net)
        sums = _added(sums, net)
    loss = total_loss / test.batches if test.compute_loss and test.batches else None
    outputs = _means(net, sums, test.batches)
    events.send(NetTestFinished(test.iter, test.index, outputs, loss, time.perf_counter() - start))
    return outputs


def _added(sums: list[Array], net: Net) -> list[Array]:
    values = [values for _, _, values in net.output_values()]
    if not sums:
        return [value.astype(np.float64) for value in values]
    with np.errstate(invalid="ignore"):  # inf - inf is nan, of which the user was warned
        return [total + value for total, value in zip(sums, values, strict=True)]


def _means(net: Net, sums: list[Array], batches: int) -> tuple[Output, ...]:
    if not sums:
        return ()
    named = zip(net.output_values(), sums, strict=True)
    return outputs_of((name, loss_weight, totals / batches) for (name, loss_weight, _), totals in named)
