"""Solver: trains a net by Caffe's loop. Source: src/caffe/solver.cpp."""

from __future__ import annotations

import logging
import operator
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple, NoReturn, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

from caffelite.core import events, random, ranks
from caffelite.core.blob import Array, number_type
from caffelite.core.errors import CopyError, SolverError, UnknownNameError, require_callable
from caffelite.core.events import Action, Output
from caffelite.core.format import message_text
from caffelite.core.layer_files import Paths, load_layers
from caffelite.core.net import forecast
from caffelite.core.net.net import Net
from caffelite.core.net.reading import readers
from caffelite.core.prototxt.unknown_fields import allowing_unknown_fields
from caffelite.core.registry import Registry
from caffelite.core.solver.checks import check_solver, require_lr_policy, require_max_iter
from caffelite.core.solver.display import Display, outputs_of
from caffelite.core.solver.file import SolverFile, solver_file
from caffelite.core.solver.findings import tell_findings
from caffelite.core.solver.fork_fields import fields_without_effect
from caffelite.core.solver.log import SolverLog
from caffelite.core.solver.nan_watch import bad_histories, bad_loss, bad_params, diverged
from caffelite.core.solver.nets import NetMaker
from caffelite.core.solver.reading_log import ReadingLog
from caffelite.core.solver.restore import read_snapshot, tell_other_step
from caffelite.core.solver.scores import make_scores
from caffelite.core.solver.snapshot import Progress, is_of_now, write_best, write_snapshot
from caffelite.core.solver.snapshot_files import check_folder, check_space
from caffelite.core.solver.testing import NetTest, run_test
from caffelite.core.vectors import NetVec
from caffelite.core.weights.formats import copy_trained_layers
from caffelite.core.weights.state_values import pack
from caffelite.proto.caffe_pb2 import SolverParameter

log = logging.getLogger("caffelite")

SolverSource = str | bytes | os.PathLike[str] | SolverParameter | SolverFile
Callback = Callable[[], object]
NetClass = type[Net]


class Update(NamedTuple):
    """What one update did: the learning rate used, and whether all parameters and histories are finite now.

    Unless `finite` is True the solver looks at every one of them, as where it is not known (None).
    """

    lr: float
    finite: bool | None = None


class Solver(ABC):
    """Trains `net` as its parameters say, and tests it with `test_nets`.

    `source` is the path of a solver's prototxt, a SolverParameter, or a SolverFile. Blobs are of `dtype`. Of several
    solvers that train one net together, only that of rank 0 logs, tests and takes snapshots; `set_solver_rank` and
    `set_solver_count` say what holds where `solver_rank` and `solver_count` are not given.

    A loss, a parameter or a history that becomes nan or infinite ends the training with a SolverError that names the
    layer, and never gets into a snapshot; with `on_nan` "ignore" training goes on, as Caffe does.

    `data_workers` threads decode images for each data layer (as Net). A record that cannot be read ends the training,
    or, with `on_bad_record` "skip", is left out and counted. `layers` are Python files, one or several, that register
    layer types of the user's own. `allow_unknown_fields` is as of Net.

    Raises PrototxtError, SolverError, NetError or LayerError, with file and line, for what cannot work.
    """

    type: ClassVar[str] = ""
    net_class: ClassVar[NetClass] = Net  # what `net` and `test_nets` are made of
    histories: list[Array]  # what the update rule remembers, each laid out as the net's arena

    def __init__(
        self,
        source: SolverSource,
        *,
        dtype: npt.DTypeLike = np.float32,
        solver_rank: int | None = None,
        solver_count: int | None = None,
        python_layers: bool = True,
        data_workers: int | None = None,
        on_bad_record: str = "stop",
        layers: Paths | Iterable[Paths] | None = None,
        allow_unknown_fields: bool = False,
    ) -> None:
        load_layers(layers)
        self.dtype = number_type(dtype)
        with allowing_unknown_fields(allow_unknown_fields):
            file = self.file = solver_file(source)
        self.param = file.param
        forecast.note_solver(self)
        self.solver_rank = ranks.solver_rank() if solver_rank is None else solver_rank
        self.events = events.Events()
        self.log = SolverLog()
        self.events.add(self.log)
        self.action_source: events.ActionSource = _no_action
        self.stopped = False
        self._started = False  # whether it has been looked at what would keep it from learning
        self.on_nan = "stop"
        self.last_snapshot = ""  # the solverstate that was written or restored last
        self._iter = 0
        self.current_step = 0  # that the learning rate policy has reached
        self._held: Progress | None = None  # for snapshots; None: as it is now
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._display = Display(self.events)
        log.info("Initializing solver from parameters: \n%s", message_text(self.param))
        self.check()
        if self.is_root:
            for text in fields_without_effect(file):
                log.warning("%s", text)
        writes = bool(self.param.snapshot) or self.param.HasField("best_snapshot")
        if writes and self.is_root:
            check_folder(file)  # before nets are made, which may take long
        count = ranks.solver_count() if solver_count is None else solver_count
        given = self.param.random_seed
        seed = given + self.solver_rank if given >= 0 else random.process_seed()
        common = (self.dtype, self.solver_rank, count, python_layers, self.net_class, data_workers, on_bad_record)
        with allowing_unknown_fields(allow_unknown_fields):
            self._make_nets(NetMaker(file, seed, *common))
        self.scores = make_scores(file, self.test_nets, count)
        self.reading_log = ReadingLog(readers(self.nets) if self.is_root else [])
        self.events.add(self.reading_log)
        self.histories = self.make_histories()
        if writes and self.is_root:
            check_space(file, self.net.arena, len(self.histories))
        log.info("Solver scaffolding done.")

    def _make_nets(self, maker: NetMaker) -> None:
        self._net: Net = maker.train_net()
        self._test_nets: NetVec = NetVec(maker.test_nets())
        for name in self.file.weights:
            path = self.file.find("weights", name)
            log.info("Finetuning from %s", path)
            for net in self.nets:
                copy_trained_layers(net.weight_layers(), path)
        for net in self.test_nets:  # from the start: users copy weights into the training net and run these at once
            net.share_trained_layers_with(self.net, log_ignored=False)  # Caffe logs them at each test only

    def check(self) -> None:
        """Raise SolverError for fields that cannot work, before the nets are made; update rules add what they need."""
        check_solver(self.file)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be copied or pickled, as the nets do."""
        raise CopyError(
            "a Solver cannot be copied or pickled: write its state, state_file = solver.snapshot()[1], make another "
            "from the same file, and let that one go on from there with restore(state_file)"
        )

    @property
    def net(self) -> Net:
        """The training net."""
        return self._net

    @property
    def test_nets(self) -> NetVec:
        """The nets that are tested, which have the training net's parameters."""
        return self._test_nets

    @property
    def nets(self) -> list[Net]:
        """The training net and then the test nets."""
        return [self.net, *self.test_nets]

    @property
    def seed(self) -> int:
        """Seed of all random numbers of the nets: random_seed, else one drawn at the start or stored with a state."""
        return self.net.context.seed

    @property
    def is_root(self) -> bool:
        """Whether this solver logs, tests and takes snapshots."""
        return self.solver_rank == 0

    @property
    def iter(self) -> int:
        """Number of updates done."""
        return self._iter

    @property
    @abstractmethod
    def lr(self) -> float:
        """Learning rate of the present iteration."""

    @abstractmethod
    def make_histories(self) -> list[Array]:
        """Return `histories` for the net, all zero."""

    @abstractmethod
    def apply_update(self) -> Update:
        """Update the parameters from their gradients, which become the update; say what was done.

        Calls `count_iteration` at the end. Users may call this after filling the gradients by themselves. A subclass
        that has a rule of its own and does not know whether its results are finite returns `Update(lr)`.
        """

    def count_iteration(self) -> None:
        """Note that an update was made."""
        self._iter += 1
        self._held = None

    def add_callback(self, on_start: Callback, on_gradients_ready: Callback) -> None:
        """Call `on_start()` before the passes of each iteration, `on_gradients_ready()` between them and the update."""
        for callback in (on_start, on_gradients_ready):
            require_callable(callback)
        self._callbacks.append((on_start, on_gradients_ready))

    def share_weights(self, net: Net) -> None:
        """Let the parameters of `net` be those of the training net; TypeError for what is no net."""
        if not isinstance(net, Net):
            raise TypeError(f"share_weights takes a Net, not {net!r}")
        net.share_trained_layers_with(self.net)

    def solve(self, state_file: str | os.PathLike[str] | None = None) -> None:
        """Train to max_iter, from a solverstate if one is given; then snapshot, display and test as the fields say."""
        param = self.param
        if not self.is_root:
            raise SolverError("only the solver of rank 0 solves; call step(n) on the others, for as many iterations")
        require_max_iter(self.file)
        snapshot_after = param.snapshot_after_train
        if snapshot_after:  # found now rather than after all the work
            check_folder(self.file)
            check_space(self.file, self.net.arena, len(self.histories))
        self.events.send(events.SolvingStarted(self._iter, self.net.name, param.lr_policy, param.max_iter))
        if state_file is not None:
            self.events.send(events.RestoreStarted(self._iter, os.fspath(state_file)))
            self.restore(state_file)
        is_at_end = self._iter >= param.max_iter > 0
        if is_at_end:
            log.info("There is nothing to do: this is iteration %d, and max_iter is %d", self._iter, param.max_iter)
        elif self.early_stopped:
            log.info("There is nothing to do: early_stopping ended the training at iteration %d", self._iter)
        # The snapshot that it came from would be written again, without the gradients that snapshot_diff keeps.
        is_kept = (
            state_file is not None and (is_at_end or self.early_stopped) and is_of_now(state_file, param, self._iter)
        )
        self.step(param.max_iter - self._iter)
        if snapshot_after and not is_kept and not self.is_due(param.snapshot):
            self.snapshot()
        if self.stopped:
            self.events.send(events.OptimizationStopped(self._iter))
            return
        if not self.early_stopped:
            self._show_end()
        self._held = None
        self.events.send(events.OptimizationDone(self._iter))

    def _show_end(self) -> None:
        """Display and test once more after the last update, as the fields say."""
        self._hold()
        param = self.param
        if self.is_due(param.display):
            loss = self._display.smooth(self._forward(self._iter * param.iter_size))
            self.events.send(events.FinalLossDisplayed(self._iter, loss))
        if self.is_due(param.test_interval):
            self._test_and_decide()

    def step(self, iterations: int) -> None:
        """Train for so many iterations, or until the action source or early_stopping says stop.

        Raises TypeError for a part of an iteration.
        """
        if not isinstance(iterations, SupportsIndex):
            raise TypeError(f"step takes a whole number of iterations, not {iterations!r}")
        iterations = operator.index(iterations)
        require_lr_policy(self.file)
        if iterations > 0 and not self._started:
            tell_findings(self.file, self.net)
            self._started = True
        self.stopped = False
        self._display.restart(self.param.average_loss)
        stop_iter = self._iter + iterations
        while self._iter < stop_iter and not self.stopped and not self.early_stopped:
            self._iterate()

    @property
    def early_stopped(self) -> bool:
        """Whether early_stopping ended the training: `step` and `solve` then do nothing."""
        return self.scores.early_stopped

    def _iterate(self) -> None:
        self.net.clear_param_diffs()
        if self.is_due(self.param.test_interval) and (self._iter > 0 or self.param.test_initialization):
            self._hold()
            self._test_and_decide()
            if self.stopped or self.early_stopped:
                return
        for on_start, _ in self._callbacks:
            on_start()
        displayed = self.is_due(self.param.display)
        self.net.debug_info = displayed and self.param.debug_info
        loss = self.forward_backward()
        smoothed_loss = self._display.smooth(loss)
        if displayed:
            outputs = outputs_of(self.net.output_values())
            self._display.show(self._iter, smoothed_loss, outputs, self.param.display)
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        update = self.apply_update()
        if not update.finite:
            self._refuse_bad_values()
        self.events.send(events.IterationFinished(self._iter, loss, smoothed_loss, update.lr))
        self._act()

    def _hold(self) -> None:
        """Let snapshots hold what layers and decisions keep now, until the next update.

        A run that is resumed from a snapshot taken on the way there does again what follows, a test for instance.
        """
        if self._held is None:
            self._held = self._progress()

    def _progress(self) -> Progress:
        states = [pack(net.get_state()) for net in self.nets]
        return Progress(self._iter, self.current_step, self.type, states, self.scores.states())

    def is_due(self, interval: int) -> bool:
        """Return whether what happens every `interval` iterations (0: never) happens in this one."""
        return interval > 0 and self._iter % interval == 0

    def forward_backward(self) -> float:
        """Add up the gradients of iter_size batches; return their mean loss."""
        batches = self.param.iter_size
        loss = 0.0
        for batch in range(batches):
            batch_loss = self._forward(self._iter * batches + batch)
            self._refuse_bad_loss(batch_loss)
            loss += batch_loss
            self.net.backward_pass()
        return loss / batches

    def _forward(self, number: int) -> float:
        self.net.context.passes = number  # random numbers are a function of it, so a resumed run draws the same
        return self.net.forward_pass()

    def _refuse_bad_loss(self, loss: float) -> None:
        if self.on_nan == "stop" and (what := bad_loss(loss, self.net)):
            raise diverged(self._iter, what, self.last_snapshot)

    def _refuse_bad_values(self) -> None:
        if self.on_nan == "stop" and (what := bad_params(self.net) or bad_histories(self.net, self.histories)):
            raise diverged(self._iter, what, self.last_snapshot)

    def _act(self) -> None:
        action = self.action_source()
        due = self.is_due(self.param.snapshot) and self.is_root
        if due or action is Action.SNAPSHOT:
            self.snapshot()
        if action is Action.STOP:
            self.stopped = True

    def test_all(self) -> None:
        """Run every test net with the present weights, unless a stop is asked for."""
        self._tested()

    def _tested(self) -> dict[int, tuple[Output, ...]]:
        """Return the outputs of the test nets by their numbers; after a stop there are not all of them."""
        found: dict[int, tuple[Output, ...]] = {}
        for index in range(len(self.test_nets) if self.is_root else 0):
            outputs = None if self.stopped else self._test(index)
            if outputs is None:
                self.stopped = True
                break
            found[index] = outputs
        return found

    def _test_and_decide(self) -> None:
        """Run every test net, and do what best_snapshot, lr_plateau and early_stopping then ask for."""
        results = self._tested()
        if self.stopped or not self.is_root:
            return
        verdict = self.scores.take(self._iter, results)
        if score := verdict.keep:
            start = time.perf_counter()
            self._refuse_bad_values()
            files = write_best(self.param, self.nets, self.histories, self._held or self._progress())
            seconds = time.perf_counter() - start
            found = (self._iter, score.output, score.test_net, verdict.value)
            self.events.send(events.BestSnapshotWritten(*found, *files, seconds))
        if score := verdict.lower:
            old_lr, figures = self.lr, score.figures(self._iter)
            self.current_step += 1
            score.wait_again()
            if self.lr < old_lr:
                self.events.send(events.RateLowered(*figures, old_lr, self.lr))
            else:  # at its lowest
                self.current_step -= 1
        if score := verdict.stop:
            self.events.send(events.EarlyStopped(*score.figures(self._iter)))

    def _test(self, index: int) -> tuple[Output, ...] | None:
        """Run one test net; return its outputs, None if a stop was asked for meanwhile."""
        net, batches = self.test_nets[index], self.param.test_iter[index]
        self.events.send(events.NetTestStarted(self._iter, index, batches))
        self.share_weights(net)
        net.context.untrained = self._iter == 0
        test = NetTest(index, self._iter, batches, self.param.test_compute_loss)
        return run_test(net, test, self.events, self._stop_asked)

    def _stop_asked(self) -> bool:
        """Do what the action source asks, until it asks no more; return whether it said stop."""
        stop = False
        while (action := self.action_source()) is not Action.NONE:
            if action is Action.SNAPSHOT:
                self.snapshot()
            else:
                stop = True
        return stop

    def snapshot(self) -> tuple[str, str]:
        """Write caffemodel and solverstate, named by snapshot_prefix and iteration; return both names.

        Raises SolverError instead of storing values that are nan or infinite, unless `on_nan` is "ignore".
        """
        if not self.is_root:
            raise SolverError("only the solver of rank 0 takes snapshots")
        self._refuse_bad_values()
        if not os.path.isdir(os.path.dirname(self.param.snapshot_prefix) or "."):
            check_folder(self.file)  # makes it; without `snapshot` nobody did so before
        files = write_snapshot(self.param, self.nets, self.histories, self._held or self._progress(), self.events)
        self.last_snapshot = files.state_file
        return files

    def restore(self, state_file: str | os.PathLike[str], strict: bool = False) -> None:
        """Go on where the solver stood that wrote this file, with its weights; WeightsError if they do not fit.

        A caffemodel that was changed after it was written gives a warning, if `strict` a WeightsError.
        """
        take_seed = self.param.random_seed < 0
        state = read_snapshot(state_file, strict, self.type, self.nets, self.histories, self.events, take_seed)
        tell_other_step(self.file, state, os.fspath(state_file))
        self._iter, self.current_step = state.iter, state.current_step
        self._held = None
        kept = state.resume.score if state.resume else []
        self.scores.restore(kept, os.fspath(state_file))
        if self.param.lr_policy == "plateau" and not any(score.field == "lr_plateau" for score in kept):
            self.current_step = 0  # that of another policy
        self.last_snapshot = os.fspath(state_file)

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
    file = solver_file(source)
    return solver_class(file)(file, **options)


def solver_class(file: SolverFile) -> type[Solver]:
    """Return the class that the file's `type` names; UnknownNameError, naming the known types, if there is none."""
    import caffelite.core.solver.rules  # noqa: F401  the update rules register themselves

    try:
        return SOLVERS[file.param.type]
    except UnknownNameError as err:
        raise UnknownNameError(f"{file.where('type')}{err}") from None
