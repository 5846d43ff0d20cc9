"""Momentum divided by the root of a running mean of squares. Source: src/caffe/solvers/adam_solver.cpp."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from caffelite.core.blob import Array
from caffelite.core.kernels.updates.adam import Adam, adam_update
from caffelite.core.solver.checks import require_share
from caffelite.core.solver.rules.sgd import SGDSolver
from caffelite.core.solver.solver import register_solver


@register_solver("Adam")
class AdamSolver(SGDSolver):
    """data <- data - rate * c * m / (sqrt(v) + delta), c = sqrt(1 - momentum2^t) / (1 - momentum^t), t from 1.

    m and v are running means of gradient and gradient^2, of which each iteration keeps the shares `momentum` and
    `momentum2`. Two history blobs a parameter: m of all, then v of all.

    Raises SolverError unless both shares are 0 or more and less than 1.
    """

    num_histories: ClassVar[int] = 2

    def check(self) -> None:
        """Refuse what makes c no number."""
        super().check()
        require_share(self.file, "momentum")
        require_share(self.file, "momentum2")

    def update(self, rates: Array, decays: Array, scale: Any) -> None:
        """Turn gradients into the update and subtract it."""
        param = self.param
        shares = param.momentum, 1 - param.momentum, param.momentum2, 1 - param.momentum2
        settings = Adam(*self.as_numbers(*shares, param.delta))
        self.run_kernel(adam_update, rates * self.as_number(self._correction()), decays, scale, settings)

    def _correction(self) -> float:
        """Return c, which makes up for histories that begin with 0."""
        t = self.iter + 1
        return math.sqrt(1 - self.param.momentum2**t) / (1 - self.param.momentum**t)
