import pytest

from caffelite import AdaGradSolver
from caffelite.core.errors import SolverError


def test_momentum_is_refused(solvers, tmp_path):
    path = solvers.write(tmp_path, 'lr_policy: "fixed"\nmomentum: 0.9')
    with pytest.raises(
        SolverError, match=r"prototxt:3: momentum is 0\.9; Momentum cannot be used with AdaGrad; remove"
    ):
        AdaGradSolver(path)
