import numpy as np

from caffelite import NesterovSolver, SGDSolver


def test_without_momentum_it_is_plain_descent(solvers):
    param = solvers.param('base_lr: 0.1 lr_policy: "fixed"')
    ours, plain = NesterovSolver(param), SGDSolver(param)
    for solver in (ours, plain):
        solver.step(3)
    np.testing.assert_array_equal(ours.net.arena.data, plain.net.arena.data)
