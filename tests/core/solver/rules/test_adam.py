import numpy as np
import pytest

from caffelite.core.errors import SolverError
from caffelite.core.weights.solverstate import read_state

ADAM = 'type: "Adam" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 momentum2: 0.999 delta: 1e-8 '


def test_the_state_holds_all_first_and_then_all_second_moments(solvers, tmp_path):
    solver = solvers.of(f'{ADAM} snapshot_prefix: "{tmp_path}/a"')
    solver.step(2)
    history = read_state(solver.snapshot()[1]).history
    assert [blob.shape for blob in history] == [(1, 2), (1,)] * 2
    firsts = [blob.data[0] for blob in history]
    np.testing.assert_allclose(firsts, [0.19875005, 0.3975001, 0.002214956, 0.008859823], rtol=1e-6)


@pytest.mark.parametrize("field", ["momentum", "momentum2"])
@pytest.mark.parametrize("value", [1, -0.5])
def test_shares_that_no_mean_can_keep_are_refused(solvers, tmp_path, field, value):
    from caffelite import get_solver

    path = solvers.write(tmp_path, f'type: "Adam"\nlr_policy: "fixed"\n{field}: {value}')
    with pytest.raises(
        SolverError, match=rf"solver\.prototxt:4: {field} is {value}; use a share from 0 to less than 1"
    ):
        get_solver(path)
