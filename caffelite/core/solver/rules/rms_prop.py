"""Rates that fall with a running mean of the squared gradients. Source: src/caffe/solvers/rmsprop_solver.cpp."""

from __future__ import annotations

from typing import Any

from caffelite.core.blob import Array
from caffelite.core.kernels.updates.rms_prop import RMSProp, rms_prop_update
from caffelite.core.solver.checks import refuse_momentum, require_share
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import register_solver


@register_solver("RMSProp")
class RMSPropSolver(SGDSolver):
    """h <- d * h + (1 - d) * gradient^2; data <- data - rate * gradient / (sqrt(h) + delta), d being rms_decay.

    One history blob a parameter: h. Raises SolverError if momentum is given, and unless 0 <= rms_decay < 1.
    """

    def check(self) -> None:
        """Refuse momentum, and an rms_decay that is no share."""
        super().check()
        refuse_momentum(self.file, self.type)
        require_share(self.file, "rms_decay")

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it."""
        param = self.param
        settings = RMSProp(*self.as_numbers(param.rms_decay, 1 - param.rms_decay, param.delta))
        self.run_kernel(rms_prop_update, rates, decays, scale, settings)
