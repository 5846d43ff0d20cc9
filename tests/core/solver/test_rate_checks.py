import pytest

from caffelite.core.errors import SolverError
from caffelite.core.prototxt.parse import read_solver
from caffelite.core.solver.checks import check_solver
from caffelite.core.solver.file import SolverFile


def check(tmp_path, *lines):
    path = tmp_path / "solver.prototxt"
    path.write_text("\n".join(lines))
    param, lines = read_solver(path)
    check_solver(SolverFile(param, lines, path))


PIECES = 'lr_policy: "pieces"'


@pytest.mark.parametrize(
    ("lines", "line", "text"),
    [
        ([PIECES, "lr_piece { until: 5 }"], 2, "lr_piece[0].lr is missing; write the learning rate at the beginning"),
        ([PIECES, "lr_piece { lr: -1 }"], 2, "lr_piece[0].lr is -1; use a learning rate, 0 or more"),
        ([PIECES, "lr_piece { lr: 1", "end_lr: nan until: 5 }"], 3, "lr_piece[0].end_lr is nan; use a learning rate"),
        (
            [PIECES, "lr_piece { lr: 1 until: 5 }", "lr_piece { lr: 1 until: 5 }"],
            3,
            "lr_piece[1].until is 5; the piece begins at iteration 5; use a later one",
        ),
        ([PIECES, "lr_piece { lr: 1 until: 0 }"], 2, "lr_piece[0].until is 0; the piece begins at iteration 0; use a"),
        (
            [PIECES, "lr_piece { lr: 1 }", "lr_piece { lr: 2 }"],
            2,
            "lr_piece[0].until is missing; only the last piece goes without an end",
        ),
        ([PIECES, "lr_piece { lr: 1 end_lr: 2 }"], 2, "lr_piece[0].until is missing; write the iteration at which end"),
        (
            [PIECES, "lr_piece { lr: 1 until: 9 shape: COSINE }"],
            2,
            "lr_piece[0].shape is COSINE; the rate of a piece without end_lr stays the same; write end_lr",
        ),
        (
            [PIECES, "lr_piece { lr: 1 until: 9 end_lr: 0 shape: GEOMETRIC }"],
            2,
            "lr_piece[0].end_lr is 0; no number of equal factors leads to or from 0; use more, or LINEAR",
        ),
        (
            [PIECES, "lr_piece { lr: 0 until: 9 end_lr: 1 shape: GEOMETRIC }"],
            2,
            "lr_piece[0].lr is 0; no number of equal factors",
        ),
        (['lr_policy: "fixed"', "lr_warmup { start: 0.5 }"], 2, "lr_warmup.iterations is missing; use 1 or more"),
        (['lr_policy: "fixed"', "lr_warmup { iterations: 0 }"], 2, "lr_warmup.iterations is 0; use 1 or more"),
        (
            ['lr_policy: "fixed"', "lr_warmup { iterations: 5", "start: 1.5 }"],
            3,
            "lr_warmup.start is 1.5; use a share of the rate, from 0 to 1",
        ),
        (['lr_policy: "fixed"', "lr_warmup { iterations: 5 start: nan }"], 2, "lr_warmup.start is nan; use a share"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(tmp_path, lines, line, text):
    with pytest.raises(SolverError) as found:
        check(tmp_path, *lines)
    assert str(found.value).startswith(f"{tmp_path}/solver.prototxt:{line}: {text}")


def test_a_policy_without_its_field_is_refused(tmp_path):
    with pytest.raises(
        SolverError, match=r'lr_piece is missing; lr_policy "pieces" needs one or more: lr_piece \{ unt'
    ):
        check(tmp_path, PIECES)


def test_what_works_is_let_through(tmp_path):
    check(
        tmp_path,
        PIECES + " lr_warmup { iterations: 1 start: 0 }",
        "lr_piece { until: 5 lr: 0 end_lr: 1 } lr_piece { until: 6 lr: 1 end_lr: 0.5 shape: GEOMETRIC }",
        "lr_piece { lr: 0 }",
    )
