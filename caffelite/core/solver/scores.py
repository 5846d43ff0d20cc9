"""Outputs of the tests by which a solver decides: to stop early, to keep a snapshot, to lower the rate. Ours.

What counts as better, and how many tests in a row were not, is told as by PyTorch's ReduceLROnPlateau with
threshold_mode "abs"; its patience is one less than ours.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from caffelite.core.errors import SolverError, UnknownNameError
from caffelite.core.events import Output
from caffelite.core.net.net import Net
from caffelite.core.prototxt.suggest import any_of, did_you_mean
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.score_checks import ScoreParam, score_params
from caffelite.proto.caffe_pb2 import LARGER, SMALLER, Better, ScoreState

log = logging.getLogger("caffelite")
ROUNDING = 1e-6  # of a value: what float32 sums over other batches may differ by, which is no change


class Score:
    """One output of one test net, the best of its values so far, and since when there was none better.

    `field` is the solver's: best_snapshot, lr_plateau or early_stopping. `best` is None before the first value that
    is a number.
    """

    def __init__(self, field: str, param: ScoreParam, better: Better) -> None:
        self.field, self.param, self.better = field, param, better
        self.output, self.test_net = param.output, param.test_net
        self.best: float | None = None
        self.best_iter = 0
        self.waited = self.cooldown = 0  # tests without a better value; tests that will not count as such
        self.tested_iter = -1

    def take(self, iteration: int, value: float) -> bool:
        """Take up the value of a test; return whether it is the best so far. A test made again counts once."""
        if iteration <= self.tested_iter:
            return False
        self.tested_iter = iteration
        is_better = self._is_better(value)
        if is_better:
            self.best, self.best_iter, self.waited = value, iteration, 0
        else:
            self.waited += 1
        if self.cooldown:
            self.cooldown, self.waited = self.cooldown - 1, 0
        return is_better

    def _is_better(self, value: float) -> bool:
        if self.best is None or not math.isfinite(value):
            return math.isfinite(value)
        change = value - self.best if self.better == LARGER else self.best - value
        return change > max(self.param.min_change, ROUNDING * abs(self.best))

    @property
    def waited_enough(self) -> bool:
        """Whether `patience` tests in a row were no better."""
        return not self.field == "best_snapshot" and self.waited >= self.param.patience  # type: ignore[union-attr]

    def wait_again(self) -> None:
        """Begin to count anew, after `cooldown` tests."""
        self.waited = 0
        self.cooldown = self.param.cooldown if self.field == "lr_plateau" else 0  # type: ignore[union-attr]

    def figures(self, iteration: int) -> tuple[int, str, int, float | None, int, int]:
        """Return the figures of a NoBetter event."""
        return iteration, self.output, self.test_net, self.best, self.best_iter, self.waited

    def state(self) -> ScoreState:
        """Return what the next decision depends on."""
        return ScoreState(
            field=self.field,
            output=self.output,
            test_net=self.test_net,
            better=self.better,
            best=self.best,
            best_iter=self.best_iter,
            waited=self.waited,
            cooldown=self.cooldown,
            tested_iter=self.tested_iter,
        )

    def restore(self, states: Iterable[ScoreState], path: str) -> None:
        """Take up the state of this field, or begin anew where there is none or it is of another output."""
        state = next((state for state in states if state.field == self.field), None)
        if state is not None and (state.output, state.test_net, state.better) != self._key():
            log.warning(
                "%s: %s looked at %s of test net %d there; it begins anew with %s of test net %d",
                path,
                self.field,
                state.output,
                state.test_net,
                self.output,
                self.test_net,
            )
            state = None
        state = state or ScoreState()
        self.best = state.best if state.HasField("best") else None
        self.best_iter, self.waited, self.cooldown = state.best_iter, state.waited, state.cooldown
        self.tested_iter = state.tested_iter

    def _key(self) -> tuple[str, int, Better]:
        return self.output, self.test_net, self.better


class Verdict(NamedTuple):
    """What the scores of a round of tests ask for: each the score that asks, or None; `value` is the new best."""

    keep: Score | None = None
    value: float = 0.0
    lower: Score | None = None
    stop: Score | None = None


class Scores:
    """The scores of a solver: at most one each of best_snapshot, lr_plateau and early_stopping."""

    def __init__(self, scores: Sequence[Score]) -> None:
        self._scores = {score.field: score for score in scores}

    @property
    def early_stopped(self) -> bool:
        """Whether early_stopping has ended the training."""
        score = self._scores.get("early_stopping")
        return score is not None and score.waited_enough

    def take(self, iteration: int, results: Mapping[int, tuple[Output, ...]]) -> Verdict:
        """Take up the outputs of all test nets, by number; return what they ask for, nothing of tests made again."""
        verdict = Verdict()
        for score in self._scores.values():
            value = _value(score, results[score.test_net])
            if iteration <= score.tested_iter:
                continue
            is_best = score.take(iteration, value)
            if score.field == "best_snapshot":
                verdict = verdict._replace(keep=score if is_best else None, value=value)
            elif score.waited_enough:
                lowers = score.field == "lr_plateau"
                verdict = verdict._replace(lower=score) if lowers else verdict._replace(stop=score)
        return verdict

    def states(self) -> list[ScoreState]:
        """Return what later decisions depend on."""
        return [score.state() for score in self._scores.values()]

    def restore(self, states: Sequence[ScoreState], path: str) -> None:
        """Take up what `states` gave, as far as it is of these scores; the others begin anew. `path` is for the log."""
        for score in self._scores.values():
            score.restore(states, path)


def make_scores(file: SolverFile, test_nets: Sequence[Net], solver_count: int = 1) -> Scores:
    """Return the scores that the solver's fields ask for.

    Raises what `make_score` does; SolverError for decisions of one of several solvers that train one net together.
    """
    scores = []
    for field, param in score_params(file.param):
        if solver_count > 1 and field != "best_snapshot":
            raise file.refusal(field, "given", "only one solver tests, and the others would not follow; remove it")
        scores.append(make_score(file, field, param, test_nets[param.test_net]))
    return Scores(scores)


def make_score(file: SolverFile, field: str, param: ScoreParam, net: Net) -> Score:
    """Return the score that `param`, which is the solver's `field`, asks for; `net` is its test net.

    Raises UnknownNameError for an output that the net does not have; SolverError for one of several numbers, and where
    it cannot be told what is better.
    """
    return Score(field, param, _better(file, field, param, net))


def _better(file: SolverFile, field: str, param: ScoreParam, net: Net) -> Better:
    """Return LARGER or SMALLER, as written or as the output's layer says."""
    found = {name: (loss_weight, values.size) for name, loss_weight, values in net.output_values()}
    if param.output not in found:
        fix = did_you_mean(param.output, found) or (f"; use {any_of(found)}" if found else "; it has none")
        raise UnknownNameError(
            f'{file.where(f"{field}.output")}{field}.output is "{param.output}", which is no output of test net '
            f"{param.test_net}{fix}"
        )
    loss_weight, size = found[param.output]
    if size != 1:
        raise file.refusal(f"{field}.output", f'"{param.output}"', f"it has {size} numbers; use an output that has one")
    if param.HasField("better"):
        return param.better
    kind, is_first_top = _maker(net, param.output)
    if loss_weight > 0 or (kind.endswith("Loss") and not loss_weight):
        return SMALLER
    if kind == "Accuracy" and is_first_top:
        return LARGER
    raise file.refusal(
        f"{field}.better",
        "missing",
        f'"{param.output}" is of a layer of type {kind}, of which it is not known what is better; write better: '
        "LARGER or better: SMALLER",
    )


def _maker(net: Net, blob: str) -> tuple[str, bool]:
    """Return the type of the layer that writes the blob last, and whether it is its first top."""
    kind, is_first = "", False
    for index, layer in enumerate(net.core_layers):
        names = [name for name, _ in net.tops(index)]
        if blob in names:
            kind, is_first = layer.type, names[0] == blob
    return kind, is_first


def _value(score: Score, outputs: tuple[Output, ...]) -> float:
    values = [output.value for output in outputs if output.name == score.output]
    if len(values) != 1:
        raise SolverError(
            f"{score.field}.output: {score.output} of test net {score.test_net} has {len(values)} numbers now; use an "
            "output that has one"
        )
    return values[0]
