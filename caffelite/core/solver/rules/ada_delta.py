"""Steps in proportion to those made before. Source: src/caffe/solvers/adadelta_solver.cpp."""

from __future__ import annotations

from typing import Any, ClassVar

from caffelite.core.blob import Array
from caffelite.core.kernels.updates.ada_delta import AdaDelta, ada_delta_update
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import register_solver


@register_solver("AdaDelta")
class AdaDeltaSolver(SGDSolver):
    """v = gradient * sqrt((h2 + delta) / (h + delta)); data <- data - rate * v.

    h and h2 are running means of gradient^2 (before v is computed) and of v^2 (after); each iteration keeps the share
    `momentum` of them. Two history blobs a parameter: h of all, then h2 of all.
    """

    num_histories: ClassVar[int] = 2

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it."""
        param = self.param
        settings = AdaDelta(*self.as_numbers(param.momentum, 1 - param.momentum, param.delta))
        self.run_kernel(ada_delta_update, rates, decays, scale, settings)
