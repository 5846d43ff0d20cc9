import logging
import re
from pathlib import Path

import numpy as np
import pytest

from caffelite.core.errors import SolverError
from caffelite.core.layer import make_layer
from caffelite.core.prototxt.parse import parse_text
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.solver.file import SolverFile, read_solver_file
from caffelite.core.solver.findings import ERROR, _message_without_filler, findings
from caffelite.proto.caffe_pb2 import SolverParameter
from caffelite.pycaffe_solver import get_solver

ROOT = Path(__file__).resolve().parents[3]
FIXED = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 10'


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ('lr_policy: "fixed"', "base_lr is missing; without it nothing is learned"),
        (
            'base_lr: 1 lr_policy: "exp"',
            'gamma is missing; with lr_policy "exp" the learning rate is 0 from iteration 1',
        ),
        ('base_lr: 1 lr_policy: "step" stepsize: 5', "gamma is missing; .* the learning rate is 0 from iteration 5 on"),
        (
            'base_lr: 1 lr_policy: "multistep" stepvalue: 3 stepvalue: 6',
            "gamma is missing; .* is 0 from iteration 3 on",
        ),
        (
            'base_lr: 1 lr_policy: "multistep" gamma: 0.1 stepvalue: 6\nstepvalue: 3',
            r"stepvalue\[1\] is 3; .* the values must rise, and the one before it is 6",
        ),
        ('base_lr: 1 lr_policy: "fixed" momentum: 9', "momentum is 9; the updates never fade"),
        ('base_lr: 1 lr_policy: "fixed" momentum: nan', "momentum is nan; write a number"),
        ('base_lr: inf lr_policy: "fixed"', "base_lr is inf; write a number"),
    ],
)
def test_what_can_only_be_a_mistake_is_refused_before_the_first_iteration(solvers, tmp_path, fields, text):
    solver = get_solver(solvers.write(tmp_path, f"{fields} max_iter: 10"))
    before = solvers.params_of(solver)
    solver.net.forward()  # what computes without learning is left alone
    with pytest.raises(SolverError, match=rf"^.*solver\.prototxt:(\d+: )? ?{text}"):
        solver.step(1)
    with pytest.raises(SolverError, match=text):
        solver.solve()
    assert solver.iter == 0
    np.testing.assert_equal(solvers.params_of(solver), before)


def test_all_mistakes_are_named_at_once_with_their_lines(solvers, tmp_path):
    path = solvers.write(tmp_path, 'lr_policy: "multistep" gamma: 0.1\nstepvalue: 6\nstepvalue: 3\nmomentum: 1.5')
    with pytest.raises(SolverError) as caught:
        get_solver(path).step(1)
    lines = str(caught.value).splitlines()
    places = [f"{path}: base_lr", f"{path}:4: stepvalue[1]", f"{path}:5: momentum"]
    assert [line.startswith(place) for line, place in zip(lines, places, strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ('lr_policy: "fixed"\nbase_lr: 0', "3: base_lr is 0; no parameter will change"),
        ('lr_policy: "fixed"\nbase_lr: -0.5', "3: base_lr is -0.5; the loss is made larger instead of smaller"),
        ('base_lr: 0.1 lr_policy: "exp"\ngamma: 0', '3: gamma is 0; with lr_policy "exp" the learning rate is 0 from'),
        ('base_lr: 0.1 lr_policy: "inv" gamma: 1', " power is missing; .* the learning rate then stays at base_lr"),
        ('base_lr: 0.1 lr_policy: "inv" power: 1', " gamma is missing; .* the learning rate then stays at base_lr"),
        ('base_lr: 0.1 lr_policy: "poly"', " power is missing; .* the learning rate then stays at base_lr"),
        ('base_lr: 0.1 lr_policy: "sigmoid" stepsize: 3', r" gamma is missing; .* stays at base_lr / 2"),
        (
            'base_lr: 0.1 lr_policy: "multistep" gamma: 0.1',
            " stepvalue is missing; .* stays at base_lr; write iterations",
        ),
        ('base_lr: 0.1 lr_policy: "fixed"\nmomentum: 1', "3: momentum is 1; the updates never fade"),
        ('base_lr: 0.1 lr_policy: "fixed"\nmomentum: -0.5', "3: momentum is -0.5; each update is turned against"),
        ('base_lr: 0.1 lr_policy: "fixed"\nweight_decay: -0.5', "3: weight_decay is -0.5; weights are made larger"),
        (
            'base_lr: 0.1 lr_policy: "fixed"\nclip_gradients: 0',
            "3: clip_gradients is 0; all gradients are clipped to 0",
        ),
        (
            'base_lr: 0.1 lr_policy: "fixed"\nlr_plateau { output: "loss" patience: 1 }',
            '3: lr_plateau is given; it is without effect; write lr_policy: "plateau"',
        ),
        (
            'base_lr: 0.1 lr_policy: "fixed"\nlr_piece { lr: 1 }',
            '3: lr_piece is given; it is without effect; write lr_policy: "pieces"',
        ),
        (
            'lr_piece { lr: 1 } lr_policy: "pieces"\nbase_lr: 0.1',
            '3: base_lr is 0.1; lr_policy "pieces" does not use it: the rates are those of lr_piece',
        ),
        (
            'base_lr: 0.1 lr_policy: "plateau" gamma: 0.5 test_iter: 1 test_interval: 1 lr_plateau {\n'
            'min_lr: 0.5 output: "loss" patience: 1 }',
            "3: lr_plateau.min_lr is 0.5; base_lr is 0.1, and the learning rate is never lowered",
        ),
        (
            'base_lr: 0.1 lr_policy: "fixed" lr_warmup {\niterations: 11 }',
            "3: lr_warmup.iterations is 11; max_iter is 10, and the learning rate never gets to its full value",
        ),
    ],
)
def test_what_somebody_may_mean_is_warned_of_once(solvers, tmp_path, caplog, fields, text):
    solver = get_solver(solvers.write(tmp_path, f"{fields} max_iter: 10"))
    assert not warnings_in(caplog)
    solver.step(1)
    solver.step(1)
    [told] = warnings_in(caplog)
    assert re.match(rf".*solver\.prototxt:{text}", told)


@pytest.mark.parametrize(
    "fields",
    [
        "",
        'lr_policy: "step" gamma: 0.1 stepsize: 5',
        'lr_policy: "step" stepsize: 10',  # the step is behind the end
        'lr_policy: "exp" gamma: 1',
        'lr_policy: "multistep" stepvalue: 10',
        'lr_policy: "multistep" gamma: 0.5 stepvalue: 3 stepvalue: 3 stepvalue: 20',
        'lr_policy: "poly" power: 2',
        'lr_policy: "fixed" lr_warmup { iterations: 10 }',
        "clip_gradients: -1",
        "momentum: 0.99 stepvalue: 5 stepvalue: 3 gamma: 0 power: 0",  # left over, of another policy
    ],
)
def test_fields_that_work_are_not_told(solvers, tmp_path, caplog, fields):
    policy = "" if "lr_policy" in fields else 'lr_policy: "fixed"'
    get_solver(solvers.write(tmp_path, f"base_lr: 0.1 max_iter: 10 {policy} {fields}")).step(1)
    assert not warnings_in(caplog)


def test_a_gamma_of_0_is_no_error_where_the_end_is_not_known(solvers, tmp_path, caplog):
    get_solver(solvers.write(tmp_path, 'base_lr: 0.1 lr_policy: "step" stepsize: 5')).step(1)
    assert "gamma is missing" in warnings_in(caplog)[0]


def test_a_solver_that_only_tests_needs_no_rate(solvers, tmp_path, caplog):
    solver = get_solver(solvers.write(tmp_path, "test_iter: 1 test_interval: 10"))
    solver.test_all()
    solver.net.forward()
    solver.net.backward()
    assert not warnings_in(caplog)


def known_solvers(folder):
    for path in sorted(Path("solvers").glob("*.prototxt")):
        yield read_solver_file(path)
    for path in sorted((folder / "solvers").rglob("*.npz")):
        with np.load(path) as case:
            if "solver" in case.files:
                param = SolverParameter()
                yield SolverFile(param, parse_text(str(case["solver"]), param, path.name), path)


def test_no_known_solver_is_told_of(solvers, golden_folder, monkeypatch):
    monkeypatch.chdir(ROOT)
    net, count = solvers.of(FIXED).net, 0
    for file in known_solvers(golden_folder):
        assert findings(file, net) == []
        count += 1
    assert count > 25


def test_all_weights_of_models_have_fillers(monkeypatch):
    monkeypatch.chdir(ROOT)
    count = 0
    for path in sorted(Path("models").rglob("*train_val*.prototxt")):
        for layer in load_net(path)[0].layer:
            assert _message_without_filler(make_layer(layer)) == "", f"{path}: {layer.name}"
            count += 1
    assert count > 200


NET = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
  shape { dim: 2 dim: 3 } shape { dim: 2 dim: 4 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  PARAM
  inner_product_param { num_output: 4
    FILLER } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
ZERO = 'layer "ip" (InnerProduct): its weights begin as 0, since neither a filler nor a file gives them values'


def net_with(filler="", param=""):
    return NET.replace("FILLER", filler).replace("PARAM", param)


@pytest.mark.parametrize(("filler", "line"), [("", 6), ("weight_filler { std: 0.1 }", 7), ("weight_filler { }", 7)])
def test_weights_without_a_filler_are_told_with_their_line(solvers, tmp_path, caplog, filler, line):
    solver = get_solver(solvers.write(tmp_path, FIXED, net_with(filler)))
    solver.step(2)
    [told] = warnings_in(caplog)
    assert told.startswith(f"{tmp_path}/net.prototxt:{line}: {ZERO}")
    assert 'write inner_product_param { weight_filler { type: "xavier" } }' in told


@pytest.mark.parametrize(
    ("filler", "param"),
    [
        ('weight_filler { type: "constant" value: 0 }', ""),  # meant, as of a logistic regression
        ("weight_filler { value: 0.5 }", ""),
        ('weight_filler { type: "xavier" }', "param { lr_mult: 0 }"),
    ],
)
def test_weights_that_are_meant_to_be_0_or_stay_as_they_are_are_not_told(solvers, caplog, filler, param):
    solvers.of(FIXED, net_with(filler, param)).step(1)
    assert not warnings_in(caplog)


def test_frozen_weights_that_come_from_nowhere_are_told(solvers, tmp_path, caplog):
    get_solver(solvers.write(tmp_path, FIXED, net_with("", "param { lr_mult: 0 }"))).step(1)
    [told] = warnings_in(caplog)
    assert told.startswith(f"{tmp_path}/net.prototxt:6: {ZERO}")


def test_weights_from_a_file_an_array_or_a_snapshot_are_not_told(solvers, tmp_path, caplog):
    filled = solvers.of(f'{FIXED} snapshot_prefix: "{tmp_path}/a"', net_with('weight_filler { type: "xavier" }'))
    filled.step(1)
    model, state = filled.snapshot()
    solvers.of(f'{FIXED} weights: "{model}"', net_with()).step(1)
    copied = solvers.of(FIXED, net_with())
    copied.net.copy_from(model)
    copied.step(1)
    restored = solvers.of(FIXED, net_with())
    restored.restore(state)
    restored.step(1)
    written = solvers.of(FIXED, net_with())
    written.net.params["ip"][0].data[...] = 1
    written.step(1)
    assert not warnings_in(caplog)


def test_biases_and_layers_that_do_without_weight_fillers_are_not_told(solvers):
    net = net_with('weight_filler { type: "xavier" }').replace(
        'layer { name: "loss"',
        """layer { name: "prelu" type: "PReLU" bottom: "y" top: "y" }
           layer { name: "scale" type: "Scale" bottom: "y" top: "y" scale_param { bias_term: true } }
           layer { name: "bias" type: "Bias" bottom: "y" top: "y" }
           layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 2 dim: 4 } } }
           layer { name: "sum" type: "Eltwise" bottom: "y" bottom: "w" top: "z" }
           layer { name: "loss\"""",
    )
    solver = solvers.of(FIXED, net.replace('bottom: "y" bottom: "t"', 'bottom: "z" bottom: "t"'))
    assert len(solver.net.learnable_params) == 7
    assert findings(solver.file, solver.net) == []


def test_a_net_without_loss_is_told(solvers, tmp_path, caplog):
    net = net_with('weight_filler { type: "xavier" }').split('layer { name: "loss"')[0]
    get_solver(solvers.write(tmp_path, FIXED, net)).step(1)
    assert warnings_in(caplog) == [
        f"{tmp_path}/net.prototxt: no layer of the training net is a loss, so there are no gradients; "
        "add one, such as SoftmaxWithLoss, or write loss_weight: 1 in a layer"
    ]
    caplog.clear()
    solvers.of(FIXED, net.replace('top: "y"', 'top: "y" loss_weight: 1')).step(1)
    assert not warnings_in(caplog)


def test_a_net_whose_lr_mults_are_all_0_is_told(solvers, tmp_path, caplog):
    net = net_with('weight_filler { type: "xavier" }', "param { lr_mult: 0 } param { lr_mult: 0 }")
    get_solver(solvers.write(tmp_path, FIXED, net)).step(1)
    assert warnings_in(caplog) == [
        f"{tmp_path}/net.prototxt:5: every lr_mult of the training net is 0: nothing is learned"
    ]


CUT = "propagate_down: false propagate_down: false"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            'bottom: "y" bottom: "t"',
            f'bottom: "y" bottom: "t" {CUT}',
            "no loss of the training net depends on a parameter",
        ),
        ('bottom: "y" bottom: "t"', 'bottom: "t" bottom: "t"', "no loss of the training net depends on a parameter"),
        ("InnerProduct", "ReLU", "the training net has no parameters: there is nothing to learn"),
    ],
)
def test_a_net_whose_losses_reach_no_parameter_is_told(solvers, tmp_path, caplog, old, new, text):
    net = net_with('weight_filler { type: "xavier" }').replace(old, new).replace("dim: 4", "dim: 3")
    get_solver(solvers.write(tmp_path, FIXED, net.replace("num_output: 4", "num_output: 3"))).step(1)
    told = [warning for warning in warnings_in(caplog) if "has no effect" not in warning]
    assert [warning.startswith(f"{tmp_path}/net.prototxt: {text}") for warning in told] == [True]


def test_findings_of_a_solver_from_memory_have_no_place(solvers):
    file = SolverFile(SolverParameter(lr_policy="fixed"))
    [finding] = findings(file, solvers.of(FIXED).net)
    assert (finding.severity, finding.where) == (ERROR, "")
    assert str(finding) == "base_lr is missing; without it nothing is learned: write one, such as 0.01"
