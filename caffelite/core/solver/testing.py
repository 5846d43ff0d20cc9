"""Test a solver's net: means of a test net's outputs over test_iter batches. Source: src/caffe/solver.cpp."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.events import Action, NetTestFinished, NetTestInterrupted, NetTestStarted, Output
from caffelite.core.net.net import Net

if TYPE_CHECKING:
    from caffelite.core.solver.solver import Solver


def run_test(solver: Solver, index: int) -> bool:
    """Run test net `index` with the present weights; return whether a stop was asked for meanwhile."""
    net, batches = solver.test_nets[index], solver.param.test_iter[index]
    solver.events.send(NetTestStarted(solver.iter, index, batches))
    solver.share_weights(net)
    start, total_loss = time.perf_counter(), 0.0
    sums: list[Array] = []
    for batch in range(batches):
        if _stop_asked(solver):
            solver.events.send(NetTestInterrupted(solver.iter, index))
            return True
        net.context.passes = solver.iter * batches + batch
        total_loss += net.forward_pass()
        sums = _added(sums, net)
    loss = total_loss / batches if solver.param.test_compute_loss and batches else None
    outputs = _means(net, sums, batches)
    solver.events.send(NetTestFinished(solver.iter, index, outputs, loss, time.perf_counter() - start))
    return False


def _stop_asked(solver: Solver) -> bool:
    """Do what the action source asks, until it asks no more; return whether it said stop."""
    stop = False
    while (action := solver.action_source()) is not Action.NONE:
        if action is Action.SNAPSHOT:
            solver.snapshot()
        else:
            stop = True
    return stop


def _added(sums: list[Array], net: Net) -> list[Array]:
    values = [values for _, _, values in net.output_values()]
    if not sums:
        return [value.astype(np.float64) for value in values]
    return [total + value for total, value in zip(sums, values, strict=True)]


def _means(net: Net, sums: list[Array], batches: int) -> tuple[Output, ...]:
    if not sums:
        return ()
    return tuple(
        Output(name, total / batches, loss_weight)
        for (name, loss_weight, _), totals in zip(net.output_values(), sums, strict=True)
        for total in totals.tolist()
    )
