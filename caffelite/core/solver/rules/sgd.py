"""Stochastic gradient descent, and what all update rules have in common. Source: src/caffe/solvers/sgd_solver.cpp."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from caffelite.core import container
from caffelite.core.aligned import aligned_zeros
from caffelite.core.blob import Array
from caffelite.core.events import GradientsClipped, LearningRateDisplayed, StepTaken
from caffelite.core.kernels.jit.compile import ParallelKernel
from caffelite.core.kernels.sharing import form
from caffelite.core.kernels.updates.loop import cut, sums_of_squares
from caffelite.core.kernels.updates.sgd import Momentum, sgd_update
from caffelite.core.solver.checks import require_lr_policy
from caffelite.core.solver.lr_policies import LR_POLICIES, Rate, warmup_factor
from caffelite.core.solver.solver import Solver, Update, register_solver

UPDATE = 3  # times adding an element: values, gradients and a history pass through


@register_solver("SGD")
class SGDSolver(Solver):
    """h <- momentum * h + rate * gradient; data <- data - h. One history blob a parameter: h.

    The other rules are subclasses with an `update` of their own: learning rate, clipping and weight decay are the same.
    """

    num_histories: ClassVar[int] = 1  # blobs that the rule remembers for each parameter
    fixed_lr: float | None = None  # instead of the policy's, in a range test

    def make_histories(self) -> list[Array]:
        """Return the history, and make the tables that kernels need to find the parameters in the arena."""
        params = self.net.learnable_params
        self._pieces = cut([p.offset for p in params], [p.count for p in params])
        self._piece_sums = np.zeros(len(self._pieces))
        self._lr_mults = np.array([p.lr_mult for p in params], self.dtype)
        self._decay_mults = np.array([p.decay_mult for p in params], self.dtype)
        self.as_number: Any = self.dtype.type
        size = self.net.arena.data.size
        container.require(
            self.num_histories * size * self.dtype.itemsize, f"the history of a solver of type {self.type}"
        )
        return [aligned_zeros(size, self.dtype) for _ in range(self.num_histories)]

    @property
    def lr(self) -> float:
        """Learning rate of the present iteration, as the next `apply_update` takes it."""
        return float(self.as_number(self._rate().lr))

    def _rate(self) -> Rate:
        if self.fixed_lr is not None:
            return Rate(self.fixed_lr, self.current_step)
        require_lr_policy(self.file)
        rate = LR_POLICIES[self.param.lr_policy].rate(self.param, self.iter, self.current_step)
        return rate._replace(lr=rate.lr * warmup_factor(self.param, self.iter))

    def _take_step(self, step: int) -> None:
        """Note the step that the learning rate policy has reached; that of multistep is logged."""
        if step != self.current_step and self.param.lr_policy == "multistep":
            self.events.send(StepTaken(self.iter, step))
        self.current_step = step

    @property
    def l1(self) -> bool:
        """Whether weight decay is the L1 norm's, a constant pull towards 0."""
        return self.param.regularization_type == "L1"

    def apply_update(self) -> Update:
        """Clip, normalise and regularise the gradients, update the parameters, count the iteration.

        Every rule's kernel leaves the sums of squares of the new parameters, and of histories that can overflow without
        them. If these are finite, so are all; if not, nothing is known (None), since squares of large numbers overflow.
        """
        rate = self._rate()
        self._take_step(rate.step)
        lr = float(self.as_number(rate.lr))
        if self.is_due(self.param.display):
            self.events.send(LearningRateDisplayed(self.iter, lr))
        scale = self._clip() / self.param.iter_size
        rates = self._lr_mults * self.as_number(lr)
        decays = self._decay_mults * self.as_number(self.param.weight_decay)
        self.update(rates, decays, self.as_number(scale))
        self.count_iteration()
        return Update(lr, True if math.isfinite(self._piece_sums.sum()) else None)

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it: gradient = scale * diff + decay * data (its sign if `l1`).

        `rates` and `decays` have one entry a learnable parameter.
        """
        self.run_kernel(sgd_update, rates, decays, scale, Momentum(*self.as_numbers(self.param.momentum)))

    def run_kernel(self, kernel: ParallelKernel, rates: Array, decays: Array, scale: Any, settings: Any) -> None:
        """Run the kernel of an update rule over data, diff and histories, on all threads if they are large.

        `settings` is a NamedTuple of the rule's own numbers, made by `as_numbers`.
        """
        arena = self.net.arena
        run = form(kernel, UPDATE * arena.data.size)
        histories, tables = tuple(self.histories), (self._pieces, self._piece_sums, rates, decays)
        run(arena.data, arena.diff, histories, *tables, self.l1, scale, settings)

    def as_numbers(self, *values: float) -> list[Any]:
        """Return the values in the net's number type: of another type, kernels would compute in float64."""
        return [self.as_number(value) for value in values]

    def _clip(self) -> float:
        """Return what to multiply gradients by so that the norm of all together is at most clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0:
            return 1.0
        diff = self.net.arena.diff
        form(sums_of_squares, UPDATE * diff.size)(diff, self._pieces, self._piece_sums)
        norm = math.sqrt(self._piece_sums.sum())
        if not norm > limit:
            return 1.0
        self.events.send(GradientsClipped(self.iter, norm, limit, limit / norm))
        return limit / norm
