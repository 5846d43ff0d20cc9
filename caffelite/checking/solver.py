"""All problems of one solver and its nets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from caffelite.checking.coverage import uncovered
from caffelite.checking.net import Options, check_net
from caffelite.checking.problems import ERROR, WARNING, Problem, logged
from caffelite.checking.rate import unread
from caffelite.core.errors import CaffeliteError, SolverError
from caffelite.core.net.net import Net
from caffelite.core.solver import checks
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.findings import findings_of_file, findings_of_net
from caffelite.core.solver.fork_fields import fields_without_effect
from caffelite.core.solver.nets import NetMaker, NetSource
from caffelite.core.solver.score_checks import check_score, score_params
from caffelite.core.solver.scores import make_score
from caffelite.core.solver.solver import solver_class
from caffelite.core.weights.formats import copy_trained_layers
from caffelite.proto.caffe_pb2 import SolverParameter

_FIELD = re.compile(r"(?:.*?: )?(\w+)(?:\[\d+\])?(?:\.\w+)? is ")  # which field an error is about
NET_FIELDS = ("net", "train_net")


def check_solver(file: SolverFile, options: Options) -> list[Problem]:
    """Return the problems of a solver that was read from a file, of the net it trains, and of those it tests with."""
    files = _files(file)
    problems = [Problem.read(ERROR, text, files) for text in _field_errors(file)]
    problems += [Problem.read(finding.severity, str(finding), files) for finding in findings_of_file(file)]
    problems += [Problem.read(WARNING, text, files) for text in [*unread(file), *fields_without_effect(file)]]
    with logged() as records:  # upgrades of old nets tell what they lose
        train, tests, errors = _sources(file)
    problems += [Problem.read(ERROR, text, files) for text in errors]
    problems += [Problem.read(WARNING, text, files) for text in [*records.errors, *records.warnings]]
    if train is not None:
        checked = check_net(train.draft, train.folder, files[0], options)
        problems += checked.problems
        problems += _weights(file, checked.net, files)
        problems += learning(checked.net, files)
    test_nets: dict[int, Net | None] = {}
    for index, source in tests:
        checked = check_net(source.draft, source.folder, files[0], options)
        problems += checked.problems
        test_nets[index] = checked.net
        where = file.where(f"test_iter[{index}]")
        told = uncovered(source.draft, source.folder, file.param.test_iter[index], where)
        problems += [Problem.read(WARNING, text, files) for text in told]
    problems += [Problem.read(ERROR, text, files) for text in _score_errors(file, test_nets)]
    return problems


def _score_errors(file: SolverFile, test_nets: dict[int, Net | None]) -> Iterator[str]:
    """Yield what is wrong with the outputs that decisions are made by; nothing where fields or nets are wrong."""
    for field, param in score_params(file.param):
        net = test_nets.get(param.test_net)
        if net is not None and not _error_of(partial(check_score, field=field, param=param), file):
            if error := _error_of(partial(make_score, field=field, param=param, net=net), file):
                yield error


def learning(net: Net | None, files: list[str]) -> list[Problem]:
    """Return what keeps the net from learning; nothing of a net that cannot be built."""
    found = findings_of_net(net) if net is not None else []
    return [Problem.read(finding.severity, str(finding), files) for finding in found]


def _weights(file: SolverFile, net: Net | None, files: list[str]) -> list[Problem]:
    """Give the net the weights that training begins from, and return what is wrong with them."""
    errors: list[str] = []
    with logged() as records:
        for name in file.weights:
            try:
                path = file.find("weights", name)
                if net is not None:
                    copy_trained_layers(net.weight_layers(), path)
            except CaffeliteError as err:
                errors += str(err).splitlines()
    problems = [Problem.read(ERROR, text, files) for text in errors]
    return [*problems, *(Problem.read(WARNING, text, files) for text in records.warnings)]


def _files(file: SolverFile) -> list[str]:
    """Return the solver's file and those that it names, as problems name them."""
    files = [str(file.path)]
    names = [getattr(file.param, field) for field in NET_FIELDS if file.param.HasField(field)]
    for name in [*names, *file.param.test_net]:
        try:
            files.append(str(file.find("net", name)))
        except SolverError:  # it is not there, which its own check says
            continue
    return files


def _field_errors(file: SolverFile) -> Iterator[str]:
    """Yield what is wrong with the solver's own fields: after an error the field is left out and the rest looked at."""
    param = SolverParameter()
    param.CopyFrom(file.param)
    rest = SolverFile(param, file.lines, file.path)
    told = set()
    for check in (
        checks.check_solver,
        _check_rule,
        checks.require_lr_policy,
        checks.require_max_iter,
        checks.check_test_fields,
    ):
        while error := _error_of(check, rest):
            field = _field_of(error, rest)
            if field in told:
                break
            told.add(field)
            yield error
            if not field:
                break
            param.ClearField(field)


def _field_of(error: str, file: SolverFile) -> str:
    """Return the field that an error is about: the one it names, or the only one on its line; "" if it is of none."""
    about = _FIELD.match(error)
    if about and about[1] in file.param.DESCRIPTOR.fields_by_name:
        return about[1]
    here = [known.name for known, _ in file.param.ListFields() if error.startswith(file.where(known.name))]
    return here[0] if len(here) == 1 else ""


def _error_of(check: Callable[[SolverFile], object], file: SolverFile) -> str:
    try:
        check(file)
    except CaffeliteError as err:
        return str(err)
    return ""


def _check_rule(file: SolverFile) -> None:
    """Let the update rule look at its fields; it does so before there are nets, and needs nothing but the file."""
    rule = solver_class(file)
    solver = rule.__new__(rule)
    solver.file, solver.param = file, file.param
    solver.check()


def _sources(file: SolverFile) -> tuple[NetSource | None, list[tuple[int, NetSource]], list[str]]:
    """Return what the nets are built from, those of tests with their numbers, and why others cannot be read."""
    maker = NetMaker(file, 0, np.dtype(np.float32), 0, 1)
    errors: list[str] = []
    train, tests = None, []
    try:
        train = maker.train_source()
    except CaffeliteError as err:
        errors += str(err).splitlines()
    try:
        fields = maker.test_fields()
    except CaffeliteError:  # among the errors of fields, or the same as of the training net
        fields = []
    for index, field in enumerate(fields):
        try:
            tests.append((index, maker.test_source(index, field)))
        except CaffeliteError as err:
            errors += str(err).splitlines()
    return train, tests, errors
