"""What a solver tells while it runs, as small messages to listeners, and what may be asked of it in between.

Log lines, live display, reports: each is a listener. Requests to stop or to snapshot come from an action source, which
the solver asks where Caffe asks for signals: after each update and before each batch of a test.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Action(enum.Enum):
    """What an action source wants."""

    NONE = 0
    STOP = 1
    SNAPSHOT = 2


ActionSource = Callable[[], Action]


class Output(NamedTuple):
    """One element of an output blob; `loss_weight` is that of its blob, 0 if it is no loss."""

    name: str
    value: float
    loss_weight: float


@dataclass(frozen=True)
class Event:
    """Something a solver did; `iter` is the number of updates done so far."""

    iter: int


@dataclass(frozen=True)
class SolvingStarted(Event):
    """`solve` begins; it ends at `max_iter` unless stopped."""

    net_name: str
    lr_policy: str
    max_iter: int


@dataclass(frozen=True)
class RestoreStarted(Event):
    """`solve` was given a solverstate to start from."""

    file: str


@dataclass(frozen=True)
class HistoryRestored(Event):
    """The solver took up a solverstate; `iter` is the iteration it stands at now."""

    file: str


@dataclass(frozen=True)
class NetTestStarted(Event):
    """Test net `index` is about to run `batches` batches."""

    index: int
    batches: int


@dataclass(frozen=True)
class NetTestFinished(Event):
    """Means over the batches of one test net; `loss` only with test_compute_loss; `seconds` it took."""

    index: int
    outputs: tuple[Output, ...]
    loss: float | None
    seconds: float


@dataclass(frozen=True)
class NetTestInterrupted(Event):
    """A stop was asked for during the test of net `index`; there are no results."""

    index: int


@dataclass(frozen=True)
class IterationDisplayed(Event):
    """Figures of one iteration in `display`, before its update.

    `loss` is smoothed over average_loss iterations; `seconds` since the last such event and `speed` in iterations a
    second (0 at the first one); `outputs` are those of the last batch of the iteration.
    """

    loss: float
    outputs: tuple[Output, ...]
    seconds: float
    speed: float
    display: int


@dataclass(frozen=True)
class LearningRateDisplayed(Event):
    """The learning rate of a displayed iteration."""

    lr: float


@dataclass(frozen=True)
class StepTaken(Event):
    """The multistep policy went on to its next rate."""

    step: int


@dataclass(frozen=True)
class GradientsClipped(Event):
    """All gradients were scaled down: their L2 norm was above clip_gradients, `limit`."""

    norm: float
    limit: float
    scale: float


@dataclass(frozen=True)
class IterationFinished(Event):
    """One update was made, which `iter` counts; comes in every iteration. `loss` is of this iteration alone."""

    loss: float
    smoothed_loss: float
    lr: float


@dataclass(frozen=True)
class SnapshotStarted(Event):
    """The two files are about to be written."""

    model_file: str
    state_file: str


@dataclass(frozen=True)
class SnapshotWritten(Event):
    """The two files are complete and on disk; `seconds` it took."""

    model_file: str
    state_file: str
    seconds: float


@dataclass(frozen=True)
class BestSnapshotWritten(Event):
    """A test's `output` was better than ever, and the two files that keep the best are on disk; `seconds` it took."""

    output: str
    test_net: int
    value: float
    model_file: str
    state_file: str
    seconds: float


@dataclass(frozen=True)
class NoBetter(Event):
    """`tests` tests in a row were no better than the best so far, of iteration `best_iter`; None if there is none."""

    output: str
    test_net: int
    best: float | None
    best_iter: int
    tests: int


@dataclass(frozen=True)
class RateLowered(NoBetter):
    """The policy "plateau" lowered the learning rate from `old_lr` to `lr`."""

    old_lr: float
    lr: float


@dataclass(frozen=True)
class EarlyStopped(NoBetter):
    """early_stopping ends the training."""


@dataclass(frozen=True)
class FinalLossDisplayed(Event):
    """The loss after the last update; `loss` is smoothed."""

    loss: float


@dataclass(frozen=True)
class OptimizationStopped(Event):
    """`solve` ended early because a stop was asked for."""


@dataclass(frozen=True)
class OptimizationDone(Event):
    """`solve` reached max_iter."""


Listener = Callable[[Event], None]


class Events:
    """The listeners of one solver. An exception in a listener ends the training, as any exception does."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Call `listener` with each event from now on, after those added before."""
        self._listeners.append(listener)

    def remove(self, listener: Listener) -> None:
        """Stop calling `listener`; ValueError if it was never added."""
        self._listeners.remove(listener)

    def send(self, event: Event) -> None:
        """Call all listeners."""
        for listener in self._listeners:
            listener(event)
