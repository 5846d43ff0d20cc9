"""Fields of a solver that its learning rate policy does not read. Source: src/caffe/solvers/sgd_solver.cpp.

Training says nothing of them, as files of one policy are often left over from another; `check` does, since the policy
may be the one that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from caffelite.core.prototxt.suggest import any_of
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.lr_policies import LR_POLICIES

FOR_ALL = ("max_iter",)  # the training reads it, whatever the policy


def unread(file: SolverFile) -> Iterator[str]:
    """Yield a text, which begins with its place, for each field that is given and without effect."""
    policy = file.param.lr_policy
    if policy not in LR_POLICIES:  # which is an error of its own
        return
    for field, value in file.param.ListFields():
        readers = [name for name in LR_POLICIES if field.name in LR_POLICIES[name].fields]
        if readers and policy not in readers and field.name not in FOR_ALL:
            name, number = ("stepvalue[0]", value[0]) if field.name == "stepvalue" else (field.name, value)
            use = any_of(f'"{reader}"' for reader in readers)
            text = f'it is without effect with lr_policy "{policy}"; remove it, or write lr_policy: {use}'
            yield f"{file.where(name)}{name} is {number:g}; {text}"
