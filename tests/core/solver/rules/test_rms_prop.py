import pytest

from caffelite import RMSPropSolver
from caffelite.core.errors import SolverError


@pytest.mark.parametrize("value", ["1", "-0.1", "nan"])
def test_an_rms_decay_that_is_no_share_is_refused(solvers, tmp_path, value):
    path = solvers.write(tmp_path, f'lr_policy: "fixed"\nrms_decay: {value}')
    with pytest.raises(SolverError, match=rf"solver\.prototxt:3: rms_decay is {value}; use a share from 0 to less"):
        RMSPropSolver(path)


def test_momentum_is_refused(solvers, tmp_path):
    path = solvers.write(tmp_path, 'lr_policy: "fixed"\nmomentum: 0.9')
    with pytest.raises(SolverError, match=r"prototxt:3: momentum is 0\.9; Momentum cannot be used with RMSProp"):
        RMSPropSolver(path)
