import numpy as np
import pytest

from caffelite.core.prototxt.parse import parse_text
from caffelite.core.solver.lr_policies import LR_POLICIES, multistep, multistep_after
from caffelite.proto.caffe_pb2 import SolverParameter


def rates(text, count):
    param = SolverParameter()
    parse_text(text, param, "solver.prototxt")
    step, found = 0, []
    for iteration in range(count):
        rate, step = LR_POLICIES[param.lr_policy].rate(param, iteration, step)
        found.append(rate)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('lr_policy: "fixed" base_lr: 0.25', [0.25, 0.25, 0.25]),
        ('lr_policy: "step" base_lr: 1 gamma: 0.1 stepsize: 3', [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]),
        ('lr_policy: "exp" base_lr: 1 gamma: 0.5', [1, 0.5, 0.25, 0.125, 0.0625]),
        (
            'lr_policy: "inv" base_lr: 0.01 gamma: 0.0001 power: 0.75',
            [0.01, 0.00999925, 0.009998499, 0.00999775, 0.009997001, 0.009996252],
        ),
        (
            'lr_policy: "multistep" base_lr: 1 gamma: 0.1 stepvalue: 2 stepvalue: 3 stepvalue: 6',
            [1, 1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001],
        ),
        ('lr_policy: "multistep" base_lr: 1 gamma: 0.1 stepvalue: 2 stepvalue: 2', [1, 1, 0.1, 0.01, 0.01]),
        (
            'lr_policy: "poly" base_lr: 1 power: 2 max_iter: 8',
            [1, 0.765625, 0.5625, 0.390625, 0.25, 0.140625, 0.0625, 0.015625, 0, 0.015625],
        ),
        ('lr_policy: "poly" base_lr: 1 power: 0.5 max_iter: 1', [1, 0, 0]),
        (
            'lr_policy: "sigmoid" base_lr: 1 gamma: 0.5 stepsize: 3',
            [0.1824255, 0.2689414, 0.3775407, 0.5, 0.6224594, 0.7310586, 0.8175744],
        ),
    ],
)
def test_rates_of_the_first_iterations(text, expected):
    np.testing.assert_allclose(rates(text, len(expected)), expected, rtol=1e-6)


@pytest.mark.parametrize("stepvalues", [[], [0], [2, 3, 6], [2, 2, 2, 7], [4, 1, 5], [1, 100]])
def test_the_step_after_so_many_iterations_is_that_of_a_run(stepvalues):
    param = SolverParameter(base_lr=1, gamma=0.5, stepvalue=stepvalues)
    step = 0
    for iteration in range(12):
        assert multistep_after(param, iteration) == step
        step = multistep(param, iteration, step).step


def test_extreme_fields_give_infinity_or_zero_not_an_exception():
    assert rates('lr_policy: "exp" base_lr: 1 gamma: 1e30', 20)[-1] == np.inf
    assert rates('lr_policy: "poly" base_lr: 1 power: -1 max_iter: 1', 2)[-1] == np.inf
    assert rates('lr_policy: "sigmoid" base_lr: 1 gamma: 1 stepsize: 100000', 1)[0] < 1e-300


def test_the_policies_are_those_of_caffe():
    assert list(LR_POLICIES) == ["exp", "fixed", "inv", "multistep", "poly", "sigmoid", "step"]
