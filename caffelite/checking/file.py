"""Check a prototxt file, whether it is a net's or a solver's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from caffelite.checking.mended import readable, readable_solver
from caffelite.checking.net import Options, check_net
from caffelite.checking.problems import ERROR, NOTE, WARNING, Problem, distinct, logged
from caffelite.checking.solver import check_solver, learning
from caffelite.checking.tops import has_loss
from caffelite.core.errors import CaffeliteError
from caffelite.core.layer import layer_type_list
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import makes_data
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.braces import CLOSER
from caffelite.core.prototxt.parse import read_text
from caffelite.core.prototxt.tokens import Source
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.solver.file import read_solver_file
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter, SolverParameter

PHASES = {"TRAIN": TRAIN, "TEST": TEST}


def check_file(
    path: str, options: Options, phase: str = "", level: int = 0, stages: Iterable[str] = ()
) -> list[Problem]:
    """Return the problems of a net or solver, in the order of lines; none for a file that trains and runs.

    phase, level and stages are the state that a net is looked at in; without `phase`, in both for which it has rules.
    The states of a solver's nets are in the solver.
    """
    try:
        of_solver = is_solver(path)
    except CaffeliteError as err:
        return [Problem.read(ERROR, text, [path]) for text in str(err).splitlines()]
    if of_solver:
        return distinct(_with_nets_mistakes(_of_solver(path, options), path, options))
    try:
        param, lines, notes = load_net(path, layer_type_list())
    except CaffeliteError as err:
        return _with_mistakes(path, str(err).splitlines(), options, phase, level, tuple(stages))
    problems = [Problem.read(WARNING, note.text, [path]) for note in notes if note.severity != "INFO"]
    for draft in _in_states(Draft.of(param, lines), phase, level, tuple(stages)):
        checked = check_net(draft, Path(path).parent, path, options)
        problems += checked.problems
        if has_loss(draft):
            problems += learning(checked.net, [path])
    return distinct(problems)


def _of_solver(path: str, options: Options) -> list[Problem]:
    """Return the problems of a solver; with mistakes of its text not what may be missing only because of them."""
    try:
        with logged():  # what the log says of snapshot_prefix is no problem
            return check_solver(read_solver_file(path), options)
    except CaffeliteError as err:
        problems = [Problem.read(ERROR, text, [path]) for text in str(err).splitlines()]
    with logged():
        file = readable_solver(path, _places(problems))
    found = check_solver(file, options) if file is not None else []
    return problems + [one for one in found if one.file != path or (one.line and "no test_iter" not in one.text)]


def _places(problems: list[Problem]) -> list[tuple[int, int]]:
    return [(problem.line, problem.column) for problem in problems]


def _with_nets_mistakes(problems: list[Problem], solver: str, options: Options) -> list[Problem]:
    """Return the problems of a solver, with those of its nets that mistakes of their texts hide."""
    by_file: dict[str, list[str]] = {}
    for problem in problems:
        if problem.severity == ERROR and problem.column and problem.file != solver:
            text = f"{problem.file}:{problem.line}:{problem.column}: {problem.text}"
            by_file.setdefault(problem.file, []).append(text)
    hidden = [_with_mistakes(file, errors, options, "", 0, ()) for file, errors in by_file.items()]
    return [*problems, *(problem for found in hidden for problem in found)]


def _with_mistakes(
    path: str, errors: list[str], options: Options, phase: str, level: int, stages: Sequence[str]
) -> list[Problem]:
    """Return the mistakes of a file's text, and what else is wrong, as far as the rest can be read."""
    problems = [Problem.read(ERROR, text, [path]) for text in errors]
    mended = readable(path, _places(problems)) if problems[0].line else None
    if mended is not None:
        problems += [Problem.read(WARNING, text, [path]) for text in mended.left_out]
        for draft in _in_states(mended.draft, phase, level, stages):
            problems += check_net(draft, Path(path).parent, path, options, mended.mistaken).problems
    return distinct(problem for problem in problems if problem.severity != NOTE)


def is_solver(path: str) -> bool:
    """Return whether more of the outermost fields are a solver's than a net's; PrototxtError if it cannot be read."""
    depth = 0
    solver = net = 0
    for token in Source(path, read_text(path)).tokens():
        if token.kind == "sign":
            depth += (token.text in CLOSER) - (token.text in CLOSER.values())
        elif token.kind == "name" and depth == 0:
            solver += token.text in SolverParameter.DESCRIPTOR.fields_by_name
            net += token.text in NetParameter.DESCRIPTOR.fields_by_name
    return solver > net


def _in_states(draft: Draft, phase: str, level: int, stages: Sequence[str]) -> Iterator[Draft]:
    """Yield the net in each state to look at: of a net without rules they would be alike.

    A phase in which nothing makes data, though it is made in the other, is not one that the net is for.
    """
    drafts = {
        name: draft.with_param(with_caller_state(draft.param, number, level, stages)) for name, number in PHASES.items()
    }
    if phase:
        yield drafts[phase]
    elif not any(layer.include or layer.exclude for layer in draft.layers):
        yield drafts["TEST"]
    else:
        fed = [state for state in drafts.values() if makes_data(state)]
        yield from fed or drafts.values()
