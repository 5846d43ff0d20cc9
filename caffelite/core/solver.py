"""Solver: trains a net by Caffe's loop. Source: src/caffe/solver.cpp, src/caffe/solvers/sgd_solver.cpp."""

from __future__ import annotations

import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format

from caffelite.core import events, random
from caffelite.core.blob import Array, aligned_zeros
from caffelite.core.display import Display
from caffelite.core.errors import UnknownNameError
from caffelite.core.events import Action
from caffelite.core.kernels import update as kernels
from caffelite.core.kernels._jit import ParallelKernel
from caffelite.core.lr_policies import LR_POLICIES
from caffelite.core.net import Net
from caffelite.core.registry import Registry
from caffelite.core.solver_checks import check_solver, require_lr_policy, require_max_iter
from caffelite.core.solver_log import SolverLog
from caffelite.core.solver_nets import NetMaker
from caffelite.core.solver_param import SolverFile, solver_file
from caffelite.core.solver_snapshot import check_prefix, read_snapshot, write_snapshot
from caffelite.core.solver_testing import run_test
from caffelite.proto.caffe_pb2 import SolverParameter

log = logging.getLogger("caffelite")

SolverSource = str | os.PathLike[str] | SolverParameter | SolverFile
Callback = Callable[[], object]

SMALL = 30_000  # elements of an arena below which sharing the update out costs more than it saves


class Solver(ABC):
    """Trains `net` as its parameters say, and tests it with `test_nets`.

    `source` is the path of a solver's prototxt, a SolverParameter, or a SolverFile. Blobs are of `dtype`. Of several
    solvers that train one net together, only that of rank 0 logs, tests and takes snapshots.

    Raises PrototxtError, SolverError, NetError or LayerError, with file and line, for what cannot work.
    """

    type: ClassVar[str] = ""
    num_histories: ClassVar[int] = 1  # blobs that the update rule remembers for each parameter

    def __init__(
        self,
        source: SolverSource,
        *,
        dtype: npt.DTypeLike = np.float32,
        solver_rank: int = 0,
        solver_count: int = 1,
    ) -> None:
        file = self.file = solver_file(source)
        self.param = file.param
        self.dtype = np.dtype(dtype)
        self.as_number: Any = self.dtype.type  # numbers of another type would make kernels compute in float64
        self.solver_rank = solver_rank
        self.events = events.Events()
        self.log = SolverLog()
        self.events.add(self.log)
        self.action_source: events.ActionSource = _no_action
        self.stopped = False
        self._iter = self._step = 0
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._display = Display(self.events)
        log.info("Initializing solver from parameters: \n%s", text_format.MessageToString(self.param).rstrip())
        check_solver(file)
        if self.param.snapshot and self.is_root:
            check_prefix(self)
        self._make_nets(solver_count)
        self._make_history()
        log.info("Solver scaffolding done.")

    def _make_nets(self, solver_count: int) -> None:
        seed = self.param.random_seed
        self.seed = seed + self.solver_rank if seed >= 0 else random.process_seed()
        maker = NetMaker(self.file, self.seed, self.dtype, self.solver_rank, solver_count)
        self.net: Net = maker.train_net()
        self.test_nets: list[Net] = maker.test_nets()
        for name in (name.strip() for entry in self.param.weights for name in entry.split(",")):
            path = self.file.find("weights", name)
            log.info("Finetuning from %s", path)
            for net in self.nets:
                net.copy_from(path)

    def _make_history(self) -> None:
        params = self.net.learnable_params
        self._pieces = kernels.cut([p.offset for p in params], [p.count for p in params])
        self._piece_sums = np.zeros(len(self._pieces))
        self._lr_mults = np.array([p.lr_mult for p in params], self.dtype)
        self._decay_mults = np.array([p.decay_mult for p in params], self.dtype)
        size = self.net.arena.data.size
        # Each laid out as the arena, so that one index serves values, gradients and history.
        self.histories: list[Array] = [aligned_zeros(size, self.dtype) for _ in range(self.num_histories)]

    @property
    def nets(self) -> list[Net]:
        """The training net and then the test nets."""
        return [self.net, *self.test_nets]

    @property
    def is_root(self) -> bool:
        """Whether this solver logs, tests and takes snapshots."""
        return self.solver_rank == 0

    @property
    def iter(self) -> int:
        """Number of updates done."""
        return self._iter

    @property
    def current_step(self) -> int:
        """Step that the policies step and multistep have reached."""
        return self._step

    @property
    def l1(self) -> bool:
        """Whether weight decay is the L1 norm's, a constant pull towards 0."""
        return self.param.regularization_type == "L1"

    @property
    def lr(self) -> float:
        """Learning rate of the present iteration; reading it may advance the multistep policy, as in Caffe."""
        require_lr_policy(self.file)
        rate, step = LR_POLICIES[self.param.lr_policy].rate(self.param, self._iter, self._step)
        if step != self._step and self.param.lr_policy == "multistep":
            self.events.send(events.StepTaken(self._iter, step))
        self._step = step
        return float(self.as_number(rate))

    def add_callback(self, on_start: Callback, on_gradients_ready: Callback) -> None:
        """Call `on_start()` before the passes of each iteration, `on_gradients_ready()` between them and the update."""
        self._callbacks.append((on_start, on_gradients_ready))

    def share_weights(self, net: Net) -> None:
        """Let the parameters of `net` be those of the training net."""
        net.share_trained_layers_with(self.net)

    def solve(self, state_file: str | os.PathLike[str] | None = None) -> None:
        """Train to max_iter, from a solverstate if one is given; then snapshot, display and test as the fields say."""
        param = self.param
        require_max_iter(self.file)
        if param.snapshot_after_train and self.is_root:
            check_prefix(self)  # rather than after all the work
        self.events.send(events.SolvingStarted(self._iter, self.net.name, param.lr_policy, param.max_iter))
        if state_file is not None:
            self.events.send(events.RestoreStarted(self._iter, os.fspath(state_file)))
            self.restore(state_file)
        self.step(param.max_iter - self._iter)
        if param.snapshot_after_train and not (param.snapshot and self._iter % param.snapshot == 0):
            self.snapshot()
        if self.stopped:
            self.events.send(events.OptimizationStopped(self._iter))
            return
        if self._is_due(param.display):
            loss = self._display.smooth(self._forward(self._iter * param.iter_size))
            self.events.send(events.FinalLossDisplayed(self._iter, loss))
        if self._is_due(param.test_interval):
            self.test_all()
        self.events.send(events.OptimizationDone(self._iter))

    def step(self, iterations: int) -> None:
        """Train for so many iterations, or until the action source says stop."""
        require_lr_policy(self.file)
        self.stopped = False
        self._display.restart(self.param.average_loss)
        stop_iter = self._iter + iterations
        while self._iter < stop_iter and not self.stopped:
            self._iterate()

    def _iterate(self) -> None:
        self.net.clear_param_diffs()
        if self._is_due(self.param.test_interval) and (self._iter > 0 or self.param.test_initialization):
            self.test_all()
            if self.stopped:
                return
        for on_start, _ in self._callbacks:
            on_start()
        displayed = self._is_due(self.param.display)
        self.net.debug_info = displayed and self.param.debug_info
        loss = self._forward_backward()
        smoothed_loss = self._display.smooth(loss)
        if displayed:
            self._display.show(self._iter, smoothed_loss, self.net, self.param.display)
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        lr = self.apply_update()
        self.events.send(events.IterationFinished(self._iter, loss, smoothed_loss, lr))
        self._act()

    def _is_due(self, interval: int) -> bool:
        return interval > 0 and self._iter % interval == 0

    def _forward_backward(self) -> float:
        """Add up the gradients of iter_size batches; return their mean loss."""
        batches = self.param.iter_size
        loss = 0.0
        for batch in range(batches):
            loss += self._forward(self._iter * batches + batch)
            self.net.backward_pass()
        return loss / batches

    def _forward(self, number: int) -> float:
        self.net.context.passes = number  # random numbers are a function of it, so a resumed run draws the same
        return self.net.forward_pass()

    def apply_update(self) -> float:
        """Update the parameters from their gradients, which become the update; count the iteration. Return the rate."""
        lr = self.lr
        if self._is_due(self.param.display):
            self.events.send(events.LearningRateDisplayed(self._iter, lr))
        scale = self._clip() / self.param.iter_size
        rates = self._lr_mults * self.as_number(lr)
        decays = self._decay_mults * self.as_number(self.param.weight_decay)
        self.update(rates, decays, self.as_number(scale))
        self._iter += 1
        return lr

    @abstractmethod
    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it: gradient = scale * diff + decay * data (or its sign: l1).

        `rates` and `decays` have one entry a learnable parameter.
        """

    def run_kernel(self, kernel: ParallelKernel, *args: Any) -> None:
        """Run an update rule's kernel over the arena, on all threads if it is large."""
        arena = self.net.arena
        run = kernel if arena.data.size > SMALL else kernel.serial
        run(arena.data, arena.diff, *self.histories, self._pieces, *args)

    def _clip(self) -> float:
        """Return what to multiply gradients by so that the norm of all together is at most clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0:
            return 1.0
        diff = self.net.arena.diff
        run = kernels.sums_of_squares if diff.size > SMALL else kernels.sums_of_squares.serial
        run(diff, self._pieces, self._piece_sums)
        norm = math.sqrt(self._piece_sums.sum())
        if not norm > limit:
            return 1.0
        self.events.send(events.GradientsClipped(self._iter, norm, limit, limit / norm))
        return limit / norm

    def _act(self) -> None:
        action = self.action_source()
        due = self._is_due(self.param.snapshot) and self.is_root
        if due or action is Action.SNAPSHOT:
            self.snapshot()
        if action is Action.STOP:
            self.stopped = True

    def test_all(self) -> None:
        """Run every test net with the present weights, unless a stop is asked for."""
        if not self.is_root:
            return
        for index in range(len(self.test_nets)):
            if not self.stopped:
                self.stopped = run_test(self, index)

    def snapshot(self) -> tuple[str, str]:
        """Write caffemodel and solverstate, named by snapshot_prefix and iteration; return both names."""
        return write_snapshot(self)

    def restore(self, state_file: str | os.PathLike[str]) -> None:
        """Go on where the solver stood that wrote this file, with its weights; WeightsError if they do not fit."""
        state = read_snapshot(self, state_file)
        self._iter, self._step = state.iter, state.current_step

    def close(self) -> None:
        """Stop reading ahead and give back files; the solver is not used afterwards."""
        for net in self.nets:
            net.close()


def _no_action() -> Action:
    return Action.NONE


S = TypeVar("S", bound=type[Solver])
SOLVERS: Registry[type[Solver]] = Registry("solver type")


def register_solver(name: str) -> Callable[[S], S]:
    """Decorate the class of solvers whose prototxt says `type: "<name>"`."""

    def add(solver_class: S) -> S:
        SOLVERS.register(name)(solver_class)
        solver_class.type = name
        return solver_class

    return add


def get_solver(source: SolverSource, **options: Any) -> Solver:
    """Return the solver that a file (path) or SolverParameter describes, of the class that its `type` names.

    Options as of Solver. Raises UnknownNameError, naming the known types, for a type that nobody registered.
    """
    import caffelite.core.solvers  # noqa: F401  the update rules register themselves

    file = solver_file(source)
    try:
        solver_class = SOLVERS[file.param.type]
    except UnknownNameError as err:
        raise UnknownNameError(f"{file.where('type')}{err}") from None
    return solver_class(file, **options)
