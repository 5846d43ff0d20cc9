import pytest

from caffelite.core.errors import SolverError
from caffelite.core.prototxt.parse import read_solver
from caffelite.core.solver.checks import check_solver
from caffelite.core.solver.file import SolverFile

TESTED = 'base_lr: 1 test_iter: 1 test_interval: 1 lr_policy: "fixed"'
PLATEAU = 'base_lr: 1 test_iter: 1 test_interval: 1 lr_policy: "plateau" gamma: 0.5'


def file_of(tmp_path, *lines):
    path = tmp_path / "solver.prototxt"
    path.write_text("\n".join(lines))
    param, lines = read_solver(path)
    return SolverFile(param, lines, path)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (TESTED, "early_stopping { patience: 3 }", "early_stopping.output is missing; write the name of an output"),
        (TESTED, 'early_stopping { output: "x" }', "early_stopping.patience is missing; use 1 or more"),
        (TESTED, 'early_stopping { output: "x" patience: 0 }', "early_stopping.patience is 0; use 1 or more"),
        (
            TESTED,
            'early_stopping { output: "x" patience: 1 min_change: -0.5 }',
            "early_stopping.min_change is -0.5; use 0 or more",
        ),
        (
            TESTED,
            'early_stopping { output: "x" patience: 1 min_change: nan }',
            "early_stopping.min_change is nan; use 0 or more",
        ),
        (
            TESTED,
            'early_stopping { output: "x" patience: 1 test_net: 1 }',
            "early_stopping.test_net is 1; use 0: which of the test nets",
        ),
        (
            TESTED + " test_iter: 2",
            'early_stopping { output: "x" patience: 1 }',
            "early_stopping.test_net is missing; there are 2 test nets; write which, 0 to 1",
        ),
        (
            TESTED + " test_iter: 2",
            'early_stopping { output: "x" patience: 1 test_net: -1 }',
            "early_stopping.test_net is -1; use 0 to 1: which of the test nets",
        ),
        (
            'lr_policy: "fixed"',
            'early_stopping { output: "x" patience: 1 }',
            "early_stopping is given; but there are no tests; give test_iter and test_interval",
        ),
        (TESTED, 'best_snapshot { test_net: 0 } snapshot_prefix: "a"', "best_snapshot.output is missing"),
        (PLATEAU, "lr_plateau { patience: 1 }", "lr_plateau.output is missing"),
        (PLATEAU, 'lr_plateau { output: "x" patience: -1 }', "lr_plateau.patience is -1; use 1 or more"),
        (PLATEAU, 'lr_plateau { output: "x" patience: 1 cooldown: -1 }', "lr_plateau.cooldown is -1; use 0 or more"),
        (PLATEAU, 'lr_plateau { output: "x" patience: 1 min_lr: -1 }', "lr_plateau.min_lr is -1; use 0 or more"),
        (PLATEAU, 'lr_plateau { output: "x" patience: 1 min_lr: inf }', "lr_plateau.min_lr is inf; use 0 or more"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(tmp_path, first, second, text):
    with pytest.raises(SolverError) as found:
        check_solver(file_of(tmp_path, first, second))
    assert str(found.value).startswith(f"{tmp_path}/solver.prototxt:2: {text}")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (TESTED + ' best_snapshot { output: "x" }', "snapshot_prefix is missing; best_snapshot needs the path"),
        (PLATEAU, 'lr_plateau is missing; lr_policy "plateau" needs it: lr_plateau { output: "loss" patience: 5 }'),
        (
            TESTED.replace("test_iter: 1", "test_iter: 0") + ' early_stopping { output: "x" patience: 1 }',
            "test_iter[0] is 0; early_stopping needs the outputs of this test; use 1 or more batches",
        ),
    ],
)
def test_what_a_decision_needs_beside_it(tmp_path, line, text):
    with pytest.raises(SolverError) as found:
        check_solver(file_of(tmp_path, line))
    assert text in str(found.value)


def test_what_works_is_let_through(tmp_path):
    fields = 'output: "x" test_net: 1 better: SMALLER min_change: 0.5'
    check_solver(
        file_of(
            tmp_path,
            f'{PLATEAU} test_iter: 3 snapshot_prefix: "a"',
            f"early_stopping {{ {fields} patience: 2 }} best_snapshot {{ {fields} }}",
            f"lr_plateau {{ {fields} patience: 1 cooldown: 2 min_lr: 0.01 }}",
        )
    )
