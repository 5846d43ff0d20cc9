"""Momentum that looks ahead. Source: src/caffe/solvers/nesterov_solver.cpp."""

from __future__ import annotations

from typing import Any

from caffelite.core.blob import Array
from caffelite.core.kernels.updates.nesterov import nesterov_update
from caffelite.core.kernels.updates.sgd import Momentum
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import register_solver


@register_solver("Nesterov")
class NesterovSolver(SGDSolver):
    """h0 = h; h <- momentum * h + rate * gradient; data <- data - (1 + momentum) * h + momentum * h0.

    One history blob a parameter: h.
    """

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it."""
        self.run_kernel(nesterov_update, rates, decays, scale, Momentum(*self.as_numbers(self.param.momentum)))
