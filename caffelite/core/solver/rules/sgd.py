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
from caffelite.core.kernels.updates.sgd import cut, sgd_update, sums_of_squares
from caffelite.core.solver.checks import require_lr_policy
from caffelite.core.solver.lr_policies import LR_POLICIES
from caffelite.core.solver.solver import Solver, register_solver

SMALL = 30_000  # elements of an arena below which sharing the update out costs more than it saves


@register_solver("SGD")
class SGDSolver(Solver):
    """h <- momentum * h + rate * gradient; data <- data - h. One history blob a parameter: h.

    The other rules are subclasses with an `update` of their own: learning rate, clipping and weight decay are the same.
    """

    num_histories: ClassVar[int] = 1  # blobs that the rule remembers for each parameter

    def make_histories(self) -> list[Array]:
        """Return the history, and make the tables that kernels need to find the parameters in the arena."""
        params = self.net.learnable_params
        self._pieces = cut([p.offset for p in params], [p.count for p in params])
        self._piece_sums = np.zeros(len(self._pieces))
        self._lr_mults = np.array([p.lr_mult for p in params], self.dtype)
        self._decay_mults = np.array([p.decay_mult for p in params], self.dtype)
        # Numbers of another type would make kernels compute in float64.
        self.as_number: Any = self.dtype.type
        size = self.net.arena.data.size
        container.require(
            self.num_histories * size * self.dtype.itemsize, f"the history of a solver of type {self.type}"
        )
        return [aligned_zeros(size, self.dtype) for _ in range(self.num_histories)]

    @property
    def lr(self) -> float:
        """Learning rate of the present iteration; reading it may advance the multistep policy, as in Caffe."""
        require_lr_policy(self.file)
        rate, step = LR_POLICIES[self.param.lr_policy].rate(self.param, self.iter, self.current_step)
        if step != self.current_step and self.param.lr_policy == "multistep":
            self.events.send(StepTaken(self.iter, step))
        self.current_step = step
        return float(self.as_number(rate))

    @property
    def l1(self) -> bool:
        """Whether weight decay is the L1 norm's, a constant pull towards 0."""
        return self.param.regularization_type == "L1"

    def apply_update(self) -> float:
        """Clip, normalise and regularise the gradients, update the parameters, count the iteration."""
        lr = self.lr
        if self.is_due(self.param.display):
            self.events.send(LearningRateDisplayed(self.iter, lr))
        scale = self._clip() / self.param.iter_size
        rates = self._lr_mults * self.as_number(lr)
        decays = self._decay_mults * self.as_number(self.param.weight_decay)
        self.update(rates, decays, self.as_number(scale))
        self.count_iteration()
        return lr

    def update_was_finite(self) -> bool:
        """Return whether the sums of squares of the new parameters, which every rule's kernel leaves, are finite."""
        return math.isfinite(self._piece_sums.sum())

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it: gradient = scale * diff + decay * data (its sign if `l1`).

        `rates` and `decays` have one entry a learnable parameter.
        """
        self.run_kernel(sgd_update, rates, decays, self.as_number(self.param.momentum), self.l1, scale)

    def run_kernel(self, kernel: ParallelKernel, *args: Any) -> None:
        """Run the kernel of an update rule over data, diff and histories, on all threads if they are large."""
        arena = self.net.arena
        run = kernel if arena.data.size > SMALL else kernel.serial
        run(arena.data, arena.diff, *self.histories, self._pieces, self._piece_sums, *args)

    def _clip(self) -> float:
        """Return what to multiply gradients by so that the norm of all together is at most clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0:
            return 1.0
        diff = self.net.arena.diff
        run = sums_of_squares if diff.size > SMALL else sums_of_squares.serial
        run(diff, self._pieces, self._piece_sums)
        norm = math.sqrt(self._piece_sums.sum())
        if not norm > limit:
            return 1.0
        self.events.send(GradientsClipped(self.iter, norm, limit, limit / norm))
        return limit / norm
