"""Rates that fall with the squares of all gradients so far. Source: src/caffe/solvers/adagrad_solver.cpp."""

from __future__ import annotations

from typing import Any

from caffelite.core.blob import Array
from caffelite.core.kernels.updates.ada_grad import AdaGrad, ada_grad_update
from caffelite.core.solver.checks import refuse_momentum
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import register_solver


@register_solver("AdaGrad")
class AdaGradSolver(SGDSolver):
    """h <- h + gradient^2; data <- data - rate * gradient / (sqrt(h) + delta). One history blob a parameter: h.

    Raises SolverError if momentum is given.
    """

    def check(self) -> None:
        """Refuse momentum."""
        super().check()
        refuse_momentum(self.file, self.type)

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it."""
        self.run_kernel(ada_grad_update, rates, decays, scale, AdaGrad(*self.as_numbers(self.param.delta)))
