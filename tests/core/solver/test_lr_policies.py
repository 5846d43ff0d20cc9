import numpy as np
import pytest

from caffelite.core.events import IterationFinished
from caffelite.core.prototxt.parse import parse_text
from caffelite.core.solver.lr_policies import LR_POLICIES, multistep, multistep_after, plateau, warmup_factor
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
        ('lr_policy: "pieces" lr_piece { lr: 0.25 }', [0.25, 0.25, 0.25]),
        (
            'lr_policy: "pieces" lr_piece { until: 2 lr: 1 } lr_piece { until: 6 lr: 0.5 end_lr: 0.1 } '
            "lr_piece { lr: 0.01 }",
            [1, 1, 0.5, 0.4, 0.3, 0.2, 0.01, 0.01],
        ),
        (
            'lr_policy: "pieces" lr_piece { until: 4 lr: 1 end_lr: 0.0001 shape: GEOMETRIC }',
            [1, 0.1, 0.01, 0.001, 0.0001, 0.0001],
        ),
        (
            'lr_policy: "pieces" lr_piece { until: 1 lr: 9 } lr_piece { until: 5 lr: 3 end_lr: 1 shape: COSINE }',
            [9, 3, 2 + 0.5**0.5, 2, 2 - 0.5**0.5, 1, 1],
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


def test_the_policies_are_those_of_caffe_and_two_of_ours():
    caffes = ["exp", "fixed", "inv", "multistep", "poly", "sigmoid", "step"]
    assert sorted(LR_POLICIES) == sorted([*caffes, "pieces", "plateau"])


@pytest.mark.parametrize(("step", "expected"), [(0, 1), (1, 0.5), (2, 0.25), (3, 0.2), (50, 0.2)])
def test_plateau_is_a_function_of_the_steps_counted(step, expected):
    param = SolverParameter(base_lr=1, gamma=0.5, lr_plateau={"min_lr": 0.2})
    assert plateau(param, 7, step) == (pytest.approx(expected), step)


def test_plateau_never_raises_the_rate():
    assert plateau(SolverParameter(base_lr=0.1, gamma=0.5, lr_plateau={"min_lr": 0.2}), 0, 3).lr == np.float32(0.1)


# of torch.optim.lr_scheduler.LinearLR(start_factor=0.2, total_iters=4) in PyTorch 2.13
WARMUP = [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0]


def test_the_warm_up_rises_to_1():
    param = SolverParameter(lr_warmup={"iterations": 4, "start": 0.2})
    assert [warmup_factor(param, i) for i in range(7)] == pytest.approx(WARMUP)
    assert [warmup_factor(SolverParameter(), i) for i in range(3)] == [1, 1, 1]
    assert warmup_factor(SolverParameter(lr_warmup={"iterations": 10}), 0) == pytest.approx(0.1)


# Every policy, with what it needs.
POLICIES = {
    "fixed": "",
    "step": "gamma: 0.5 stepsize: 2",
    "exp": "gamma: 0.5",
    "inv": "gamma: 0.5 power: 2",
    "multistep": "gamma: 0.5 stepvalue: 2",
    "poly": "power: 2",
    "sigmoid": "gamma: 0.5 stepsize: 3",
    "plateau": 'gamma: 0.5 lr_plateau { output: "loss" patience: 1 } test_iter: 1 test_interval: 2',
    "pieces": "lr_piece { until: 3 lr: 0.5 } lr_piece { lr: 0.25 }",
}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_warm_up_multiplies_the_rates_of_any_policy(solvers, policy):
    assert set(POLICIES) == set(LR_POLICIES)
    base = "" if policy == "pieces" else "base_lr: 0.5"
    fields = f'{base} max_iter: 8 random_seed: 1 lr_policy: "{policy}" {POLICIES[policy]}'
    used = []
    for text in (fields, f"{fields} lr_warmup {{ iterations: 4 start: 0.2 }}"):
        solver, rates = solvers.of(text), []
        solver.events.add(lambda event, rates=rates: isinstance(event, IterationFinished) and rates.append(event.lr))
        for _ in range(7):
            expected = None if policy == "plateau" else solver.lr  # which a test may lower
            solver.step(1)
            assert expected in (None, rates[-1])
        used.append(rates)
    plain, warm = used
    if policy == "plateau":  # other steps, other losses
        assert warm[:2] == pytest.approx([0.1, 0.2])
    else:
        assert warm == pytest.approx(np.multiply(plain, WARMUP))
