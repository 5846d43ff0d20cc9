"""Which of several solvers that train one net together this process is. Source: src/caffe/common.cpp.

Caffe keeps these numbers for each thread; here they hold for the process. Nets and solvers made from then on take them.
"""

import operator
from typing import SupportsIndex

from caffelite.core.errors import UsageError

_count, _rank, _multiprocess = 1, 0, False


def solver_count() -> int:
    """Return how many solvers train together; 1 unless `set_solver_count` said otherwise."""
    return _count


def set_solver_count(count: SupportsIndex) -> None:
    """Say that `count` solvers train together: Data layers of training nets then deal the records out among them."""
    global _count
    number = operator.index(count)
    if number < 1:
        raise UsageError(f"the number of solvers is {number}; use 1 or more")
    _count = number


def solver_rank() -> int:
    """Return which of the solvers this process has, from 0."""
    return _rank


def set_solver_rank(rank: SupportsIndex) -> None:
    """Say which of the solvers this process has; 0 is the one that logs, tests and takes snapshots."""
    global _rank
    number = operator.index(rank)
    if number < 0:
        raise UsageError(f"the rank of a solver is {number}; use 0 to solver_count() - 1")
    _rank = number


def is_multiprocess() -> bool:
    """Return whether each solver has a process of its own, without which several cannot share Python layers."""
    return _multiprocess


def set_multiprocess(multiprocess: SupportsIndex) -> None:
    """Say whether each solver has a process of its own."""
    global _multiprocess
    _multiprocess = bool(operator.index(multiprocess))
