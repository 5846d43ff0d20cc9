import numpy as np
import pytest

from caffelite.core import ranks
from caffelite.core.errors import UsageError


@pytest.fixture(autouse=True)
def alone():
    yield
    ranks.set_solver_count(1)
    ranks.set_solver_rank(0)
    ranks.set_multiprocess(False)


def test_a_process_is_alone_until_it_is_told_otherwise():
    assert (ranks.solver_count(), ranks.solver_rank(), ranks.is_multiprocess()) == (1, 0, False)
    ranks.set_solver_count(np.int32(3))
    ranks.set_solver_rank(2)
    ranks.set_multiprocess(True)
    assert (ranks.solver_count(), ranks.solver_rank(), ranks.is_multiprocess()) == (3, 2, True)


@pytest.mark.parametrize(
    ("call", "value", "error"),
    [
        (ranks.set_solver_count, 0, UsageError),
        (ranks.set_solver_count, 1.0, TypeError),
        (ranks.set_solver_rank, -1, UsageError),
        (ranks.set_solver_rank, "0", TypeError),
        (ranks.set_multiprocess, "yes", TypeError),
    ],
)
def test_numbers_that_are_none_are_refused(call, value, error):
    with pytest.raises(error):
        call(value)
    assert (ranks.solver_count(), ranks.solver_rank(), ranks.is_multiprocess()) == (1, 0, False)
