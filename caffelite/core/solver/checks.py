"""What a solver's parameters must be: refused with file and line before anything is computed."""

from __future__ import annotations

from caffelite.core.errors import UnknownNameError
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.fork_fields import refuse_fork_fields
from caffelite.core.solver.lr_policies import LR_POLICIES
from caffelite.core.solver.rate_checks import check_pieces, check_warmup
from caffelite.core.solver.score_checks import check_scores

REGULARIZATION_TYPES = ("L2", "L1")

# Smallest value of a field, and what to write instead of a smaller one.
_MINIMA = (
    ("average_loss", 1, "use 1 or more: the number of iterations whose losses are averaged for display"),
    ("iter_size", 1, "use 1 or more: the number of batches whose gradients make one update"),
    ("max_iter", 0, "use the number of iterations to train"),
    ("display", 0, "use the number of iterations between two lines of the log, or 0 for none"),
    ("snapshot", 0, "use the number of iterations between two snapshots, or 0 for none while training"),
    ("test_interval", 0, "use the number of iterations between two tests, or 0 for none"),
)


def check_solver(file: SolverFile) -> None:
    """Raise SolverError or UnknownNameError for the first field that cannot work."""
    param = file.param
    for field, least, fix in _MINIMA:
        if getattr(param, field) < least:
            raise file.refusal(field, getattr(param, field), fix)
    if param.snapshot and not param.snapshot_prefix:
        raise file.refusal("snapshot_prefix", "missing", "snapshots need the path that their names begin with")
    if param.weight_decay and param.regularization_type not in REGULARIZATION_TYPES:
        raise file.refusal(
            "regularization_type", f'"{param.regularization_type}"', f"use {any_of(REGULARIZATION_TYPES)}"
        )
    if param.lr_policy:
        _check_lr_policy(file)
    check_warmup(file)
    refuse_fork_fields(file)
    check_scores(file)


def _check_lr_policy(file: SolverFile) -> None:
    param = file.param
    try:
        policy = LR_POLICIES[param.lr_policy]
    except UnknownNameError as err:
        raise UnknownNameError(f"{file.where('lr_policy')}{err}") from None
    for field in policy.positive:
        if getattr(param, field) < 1:
            raise file.refusal(field, getattr(param, field), f'lr_policy "{param.lr_policy}" needs 1 or more')
    for field in policy.not_negative:
        if getattr(param, field) < 0:
            raise file.refusal(field, f"{getattr(param, field):g}", f'lr_policy "{param.lr_policy}" needs 0 or more')
    if param.lr_policy == "pieces":
        check_pieces(file)
    if param.lr_policy == "plateau" and not 0 < param.gamma < 1:
        value = f"{param.gamma:g}" if param.HasField("gamma") else "missing"
        raise file.refusal("gamma", value, 'lr_policy "plateau" needs a factor between 0 and 1, such as 0.1')


def require_lr_policy(file: SolverFile) -> None:
    """Raise SolverError if the solver is asked to train without a learning rate policy."""
    if not file.param.lr_policy:
        raise file.refusal("lr_policy", "missing", f"use {any_of(LR_POLICIES)}")


def require_max_iter(file: SolverFile) -> None:
    """Raise SolverError if the solver is asked to train to the end and no end is given."""
    if not file.param.HasField("max_iter"):
        raise file.refusal("max_iter", "missing", "write how many iterations to train")


def refuse_momentum(file: SolverFile, solver_type: str) -> None:
    """Raise SolverError if momentum is given to a rule that has none."""
    if file.param.momentum:
        value = f"{file.param.momentum:g}"
        raise file.refusal("momentum", value, f"Momentum cannot be used with {solver_type}; remove the field")


def require_share(file: SolverFile, field: str) -> None:
    """Raise SolverError unless 0 <= field < 1: what each iteration keeps of a running mean."""
    value = getattr(file.param, field)
    if not 0 <= value < 1:
        raise file.refusal(field, f"{value:g}", "use a share from 0 to less than 1, such as 0.9")


def check_test_fields(file: SolverFile) -> int:
    """Return how many test nets are copies of the net that is also trained; SolverError if the fields do not fit.

    Each test net has one test_iter: first those in test_net_param, then in test_net, then copies of net or net_param.
    """
    param = file.param
    given = len(param.test_iter)
    specific = len(param.test_net_param) + len(param.test_net)
    shared = param.HasField("net") or param.HasField("net_param")
    if given < specific or (given > specific and not shared):
        raise file.refusal(
            "test_iter",
            f"given {given} times",
            f"test_iter must be specified for each test network. There are {specific} in test_net and test_net_param",
        )
    if param.test_state and len(param.test_state) != given:
        raise file.refusal(
            "test_state",
            f"given {len(param.test_state)} times",
            f"test_state must be unspecified or specified once per test net. There are {given}",
        )
    for index, batches in enumerate(param.test_iter):
        if batches < 0:
            raise file.refusal(f"test_iter[{index}]", batches, "use the number of batches of one test")
    if param.test_interval > 0 and not given:
        raise file.refusal(
            "test_interval",
            param.test_interval,
            "there is no test_iter, so nothing would be tested; give the number of batches of one test as test_iter, "
            "or remove test_interval",
        )
    if given and param.test_interval == 0:
        raise file.refusal(
            "test_interval", 0, "with test nets it is 1 or more; a large value never tests while training"
        )
    return given - specific
