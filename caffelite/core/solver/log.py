"""The log lines of a solver, in Caffe's words: people's parsers read them. Source: src/caffe/solver.cpp."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from caffelite.core import events
from caffelite.core.events import Output
from caffelite.core.format import number
from caffelite.core.weights.formats import HDF5

log = logging.getLogger("caffelite")


class SolverLog:
    """A listener that writes what happens to the logger `caffelite`."""

    def __call__(self, event: events.Event) -> None:
        """Write the lines of one event, if it has any."""
        write = _LINES.get(type(event))
        if write is not None:
            write(event)


def _solving(event: events.SolvingStarted) -> None:
    log.info("Solving %s", event.net_name)
    log.info("Learning Rate Policy: %s", event.lr_policy)


def _restoring(event: events.RestoreStarted) -> None:
    log.info("Restoring previous solver status from %s", event.file)


def _restored(event: events.HistoryRestored) -> None:
    log.info("SGDSolver: restoring history")


def _iteration(event: events.IterationDisplayed) -> None:
    seconds = number(round(event.seconds, 3))
    log.info(
        "Iteration %d (%s iter/s, %ss/%d iters), loss = %s",
        event.iter,
        number(event.speed),
        seconds,
        event.display,
        number(event.loss),
    )
    _outputs("Train", event.outputs)


def _lr(event: events.LearningRateDisplayed) -> None:
    log.info("Iteration %d, lr = %s", event.iter, number(event.lr))


def _step(event: events.StepTaken) -> None:
    log.info("MultiStep Status: Iteration %d, step = %d", event.iter, event.step)


def _clipped(event: events.GradientsClipped) -> None:
    log.info(
        "Gradient clipping: scaling down gradients (L2 norm %s > %s) by scale factor %s",
        number(event.norm),
        number(event.limit),
        number(event.scale),
    )


def _testing(event: events.NetTestStarted) -> None:
    log.info("Iteration %d, Testing net (#%d)", event.iter, event.index)


def _tested(event: events.NetTestFinished) -> None:
    if event.loss is not None:
        log.info("Test loss: %s", number(event.loss))
    _outputs("Test", event.outputs)


def _interrupted(event: events.NetTestInterrupted) -> None:
    log.info("Test interrupted.")


def _snapshot(event: events.SnapshotStarted) -> None:
    kind = "HDF5" if event.model_file.endswith(HDF5.suffix) else "binary proto"
    log.info("Snapshotting to %s file %s", kind, event.model_file)
    log.info("Snapshotting solver state to %s file %s", kind, event.state_file)


def _best(event: events.BestSnapshotWritten) -> None:
    score = f"{event.output} of test net {event.test_net} is {number(event.value)} at iteration {event.iter}"
    log.info("Best so far: %s; %s and %s", score, event.model_file, event.state_file)


def _no_better(event: events.NoBetter) -> str:
    best = (
        "there was none that is a number"
        if event.best is None
        else f"{number(event.best)} at iteration {event.best_iter}"
    )
    tests = f"{event.tests} test{'s' if event.tests > 1 else ''}"
    return f"{event.output} of test net {event.test_net} was no better in {tests} (best: {best})"


def _lowered(event: events.RateLowered) -> None:
    log.info(
        "Learning rate lowered from %s to %s at iteration %d: %s",
        number(event.old_lr),
        number(event.lr),
        event.iter,
        _no_better(event),
    )


def _early(event: events.EarlyStopped) -> None:
    log.info("Early stopping at iteration %d: %s", event.iter, _no_better(event))


def _final_loss(event: events.FinalLossDisplayed) -> None:
    log.info("Iteration %d, loss = %s", event.iter, number(event.loss))


def _stopped(event: events.OptimizationStopped) -> None:
    log.info("Optimization stopped early.")


def _done(event: events.OptimizationDone) -> None:
    log.info("Optimization Done.")


def _outputs(kind: str, outputs: tuple[Output, ...]) -> None:
    for index, output in enumerate(outputs):
        log.info("    %s net output #%d: %s = %s%s", kind, index, output.name, number(output.value), _loss(output))


def _loss(output: Output) -> str:
    if output.loss_weight == 0:
        return ""
    return f" (* {number(output.loss_weight)} = {number(output.loss_weight * output.value)} loss)"


_LINES: dict[type[events.Event], Callable[[Any], None]] = {
    events.SolvingStarted: _solving,
    events.RestoreStarted: _restoring,
    events.HistoryRestored: _restored,
    events.IterationDisplayed: _iteration,
    events.LearningRateDisplayed: _lr,
    events.StepTaken: _step,
    events.GradientsClipped: _clipped,
    events.NetTestStarted: _testing,
    events.NetTestFinished: _tested,
    events.NetTestInterrupted: _interrupted,
    events.SnapshotStarted: _snapshot,
    events.BestSnapshotWritten: _best,
    events.RateLowered: _lowered,
    events.EarlyStopped: _early,
    events.FinalLossDisplayed: _final_loss,
    events.OptimizationStopped: _stopped,
    events.OptimizationDone: _done,
}
