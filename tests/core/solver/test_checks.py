import pytest

from caffelite.core.errors import SolverError, UnknownNameError
from caffelite.pycaffe_solver import get_solver

FIXED = 'lr_policy: "fixed"'


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (f"{FIXED} average_loss: 0", "average_loss is 0; use 1 or more"),
        (f"{FIXED} iter_size: 0", "iter_size is 0; use 1 or more"),
        (f"{FIXED} display: -1", "display is -1; use the number"),
        (f"{FIXED} snapshot: -1", "snapshot is -1; use the number"),
        (f"{FIXED} max_iter: -1", "max_iter is -1; use the number"),
        (f'{FIXED} weight_decay: 1 regularization_type: "L3"', 'regularization_type is "L3"; use L2 or L1'),
        ('lr_policy: "step" gamma: 1', r'stepsize is 0; lr_policy "step" needs 1 or more'),
        ('lr_policy: "sigmoid" gamma: 1 stepsize: 0', r'stepsize is 0; lr_policy "sigmoid" needs 1 or more'),
        ('lr_policy: "exp" gamma: -0.1', r'gamma is -0\.1; lr_policy "exp" needs 0 or more'),
        ('lr_policy: "step" stepsize: 1 gamma: -0.5', r'gamma is -0\.5; lr_policy "step" needs 0 or more'),
        ('lr_policy: "poly"', 'max_iter is 0; lr_policy "poly" needs 1 or more'),
        (f"{FIXED} test_iter: 1", "test_interval is 0; with test nets it is 1 or more"),
        (f"{FIXED} test_iter: -1 test_interval: 1", r"test_iter\[0\] is -1; use the number of batches"),
        (f'{FIXED} test_net: "net.prototxt"', r"test_iter is given 0 times; test_iter must be specified for each"),
        (f"{FIXED} test_iter: 1 test_interval: 1 test_state {{ }} test_state {{ }}", "test_state is given 2 times"),
    ],
)
def test_fields_that_cannot_work_are_refused_with_their_line(solvers, tmp_path, fields, text):
    with pytest.raises(SolverError, match=rf"^.*solver\.prototxt:(\d+: )?.*{text}"):
        get_solver(solvers.write(tmp_path, fields))


def test_the_line_is_that_of_the_field(solvers, tmp_path):
    with pytest.raises(SolverError, match=r"solver\.prototxt:4: iter_size is 0"):
        get_solver(solvers.write(tmp_path, f"{FIXED}\nbase_lr: 1\niter_size: 0"))


def test_an_unknown_policy_is_refused_at_the_start_with_the_nearest(solvers, tmp_path):
    text = r'solver\.prototxt:2: Unknown learning rate policy: stepp; did you mean "step"\? \(known: exp, fixed, '
    with pytest.raises(UnknownNameError, match=text):
        get_solver(solvers.write(tmp_path, 'lr_policy: "stepp"'))


def test_regularization_types_that_nothing_uses_are_taken(solvers, tmp_path):
    solver = get_solver(solvers.write(tmp_path, f'{FIXED} regularization_type: "none"'))
    assert solver.param.regularization_type == "none"
