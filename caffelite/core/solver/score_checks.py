"""What early_stopping, best_snapshot and lr_plateau must be, as far as the solver's file alone can tell."""

from __future__ import annotations

import math

from caffelite.core.solver.file import SolverFile
from caffelite.proto.caffe_pb2 import (
    BestSnapshotParameter,
    EarlyStoppingParameter,
    LrPlateauParameter,
    SolverParameter,
)

ScoreParam = BestSnapshotParameter | LrPlateauParameter | EarlyStoppingParameter


def score_params(param: SolverParameter) -> list[tuple[str, ScoreParam]]:
    """Return the fields that make decisions by a test's output, by name, in the order in which these are made."""
    found: list[tuple[str, ScoreParam]] = []
    if param.HasField("best_snapshot"):
        found.append(("best_snapshot", param.best_snapshot))
    if param.lr_policy == "plateau":
        found.append(("lr_plateau", param.lr_plateau))
    if param.HasField("early_stopping"):
        found.append(("early_stopping", param.early_stopping))
    return found


def check_scores(file: SolverFile) -> None:
    """Raise SolverError for the first field of a decision that cannot work."""
    for field, param in score_params(file.param):
        check_score(file, field, param)


def check_score(file: SolverFile, field: str, param: ScoreParam) -> None:
    """Raise SolverError unless `param`, which is the solver's `field`, can work."""
    _check_test(file, field, param)
    if not 0 <= param.min_change < math.inf:
        raise file.refusal(f"{field}.min_change", f"{param.min_change:g}", "use 0 or more")
    if not isinstance(param, BestSnapshotParameter) and param.patience < 1:
        value = param.patience if param.HasField("patience") else "missing"
        raise file.refusal(f"{field}.patience", value, "use 1 or more: the number of tests without a better one")
    if isinstance(param, LrPlateauParameter):
        _check_plateau(file, param)
    if isinstance(param, BestSnapshotParameter) and not file.param.snapshot_prefix:
        raise file.refusal("snapshot_prefix", "missing", "best_snapshot needs the path that its names begin with")


def _check_test(file: SolverFile, field: str, param: ScoreParam) -> None:
    batches = file.param.test_iter
    if not file.param.HasField(field):
        raise file.refusal(field, "missing", f'lr_policy "plateau" needs it: {field} {{ output: "loss" patience: 5 }}')
    if not batches:
        raise file.refusal(field, "given", "but there are no tests; give test_iter and test_interval")
    if not param.output:
        raise file.refusal(f"{field}.output", "missing", "write the name of an output of the test net")
    if param.HasField("test_net") and not 0 <= param.test_net < len(batches):
        numbers = f"0 to {len(batches) - 1}" if len(batches) > 1 else "0"
        raise file.refusal(f"{field}.test_net", param.test_net, f"use {numbers}: which of the test nets")
    if not param.HasField("test_net") and len(batches) > 1:
        raise file.refusal(
            f"{field}.test_net", "missing", f"there are {len(batches)} test nets; write which, 0 to {len(batches) - 1}"
        )
    if batches[param.test_net] == 0:
        raise file.refusal(
            f"test_iter[{param.test_net}]", 0, f"{field} needs the outputs of this test; use 1 or more batches"
        )


def _check_plateau(file: SolverFile, param: LrPlateauParameter) -> None:
    if param.cooldown < 0:
        raise file.refusal("lr_plateau.cooldown", param.cooldown, "use 0 or more: a number of tests")
    if not 0 <= param.min_lr < math.inf:
        raise file.refusal("lr_plateau.min_lr", f"{param.min_lr:g}", "use 0 or more: a learning rate")
