"""Which kernels are still to be compiled for the nets and solvers that there are, and about how long that takes.

kernel_table.json, made by tools/kernel_table.py, tells which kernels layers of each type and each update rule ran where
they were tried out, what these call, and how long each was compiled. A layer of other fields than those that were tried
is taken to run the kernels of the one that is most like it. So numbers are about right, and are told as such.

It is asked only while kernels are compiled: nets and solvers are noted when they are made, and looked at then.
"""

from __future__ import annotations

import json
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffelite.core.kernels.jit.progress import Compiled, Rest, watch
from caffelite.core.type_names import CONVOLUTIONS, DEPTHWISE
from caffelite.proto.caffe_pb2 import TRAIN, LayerParameter, SolverParameter

if TYPE_CHECKING:
    from caffelite.core.net.net import Net
    from caffelite.core.net.wiring.draft import Draft

T = TypeVar("T")

TABLE = Path(__file__).with_name("kernel_table.json")
FORMS = (".python", ".parallel")  # of a kernel that Python calls: on one thread, on all
TRUST = 2.0  # seconds of compiling after which this machine's own speed counts as much as that of the table's


class Trainer(Protocol):
    """What is asked of a solver."""

    type: ClassVar[str]
    param: SolverParameter


_being_built: list[Draft] = []
# Lists, of which a copy is made in one step: the thread that reports reads them while others make nets.
_nets: list[weakref.ref[Net]] = []
_solvers: list[weakref.ref[Trainer]] = []


def note_net(net: Net) -> None:
    """Count the layers of a net, as long as it lives."""
    _nets.append(weakref.ref(net, _nets.remove))


def note_solver(solver: Trainer) -> None:
    """Count the update rule of a solver, as long as it lives."""
    _solvers.append(weakref.ref(solver, _solvers.remove))


@contextmanager
def building(draft: Draft) -> Iterator[None]:
    """Count the layers of a net that is built in the block: some compile while they are set up."""
    _being_built.append(draft)
    try:
        yield
    finally:
        _being_built.pop()


class Kernel(NamedTuple):
    """A row of the table: the kernels that it calls are numbers of other rows."""

    name: str
    seconds: float
    calls: list[int]


class Case(NamedTuple):
    """A layer or an update rule that was tried out: its fields, and the rows of the kernels that Python called."""

    fields: frozenset[str]
    forward: list[int]
    backward: list[int]


class KernelTable:
    """The table as it was written: `kernels`, and `cases` by type."""

    def __init__(self, text: str) -> None:
        stored: dict[str, Any] = json.loads(text)
        self.kernels = [Kernel(name, milliseconds / 1000, calls) for name, milliseconds, calls in stored["kernels"]]
        self.cases = {
            kind: [Case(frozenset(fields), forward, backward) for fields, forward, backward in cases]
            for kind, cases in stored["cases"].items()
        }

    def nearest(self, kind: str, fields: frozenset[str]) -> Case | None:
        """Return the case of a type that differs in the fewest fields; None for a type of the user's own."""
        if kind in DEPTHWISE and not self.cases.get(kind):
            kind = "Convolution"  # whose kernels they run
        return min(self.cases.get(kind, []), key=lambda case: len(case.fields ^ fields), default=None)

    def with_called(self, rows: Iterable[int]) -> list[int]:
        """Return these kernels and those that they call, and so on, each once."""
        found: dict[int, None] = {}
        waiting = list(rows)
        while waiting:
            row = waiting.pop()
            if row not in found:
                found[row] = None
                waiting += self.kernels[row].calls
        return list(found)

    def rest(self, wanted: Collection[int], seen: Compiled) -> Rest | None:
        """Return what is left of the kernels that Python will call; None if that is nothing that is known."""
        ready = Counter(map(without_form, filter(is_called_by_python, [*seen.done, *seen.loaded])))
        calls = [row for row in wanted if not _taken(ready, without_form(self.kernels[row].name))]
        ready = Counter([*seen.done, *seen.loaded])
        left = [self.kernels[row] for row in self.with_called(calls)]
        left = [kernel for kernel in left if not _taken(ready, kernel.name)]
        if not left:
            return None
        now = Counter(seen.now)
        count = len(seen.now) + sum(not _taken(now, kernel.name) for kernel in left)
        seconds = sum(kernel.seconds for kernel in left) * self._slowness(seen) - seen.since
        return Rest(count, seconds)

    def _slowness(self, seen: Compiled) -> float:
        """Return how many seconds this machine takes for one of the table's."""
        by_name = {kernel.name: kernel.seconds for kernel in self.kernels}
        known = sum(by_name.get(name, 0.0) for name in seen.done)
        return (seen.seconds + TRUST) / (known + TRUST)


def is_called_by_python(name: str) -> bool:
    """Whether a kernel is one that Python calls, by its name."""
    return name.endswith(FORMS)


def without_form(name: str) -> str:
    """Return the name of a kernel that Python calls, on however many threads: that depends on the size of the work."""
    for form in FORMS:
        name = name.removesuffix(form)
    return name


def _taken(counter: Counter[str], name: str) -> bool:
    """Whether there is one of this name; it is taken out."""
    counter[name] -= 1
    return counter[name] >= 0


def fields_of_layer(layer: LayerParameter) -> frozenset[str]:
    """Return what of a layer's fields may decide which kernels it runs, as texts."""
    fields = {f"bottoms={min(len(layer.bottom), 3)}"}
    for field, value in layer.ListFields():
        if field.name.endswith("_param") and isinstance(value, Message):
            fields.update(_choices(value))
    if layer.type in CONVOLUTIONS:
        param = layer.convolution_param
        group, outputs = param.group, param.num_output
        if layer.type in DEPTHWISE and not param.HasField("group"):
            group = outputs  # as a rule, and the layer writes it down when it is set up
        fields.add("group=1" if group == 1 else "group=num_output" if group == outputs else "group=some")
    return frozenset(fields)


def fields_of_solver(param: SolverParameter) -> frozenset[str]:
    """Return what of a solver's fields decides which kernels an update runs."""
    return frozenset({"clip_gradients"} if param.clip_gradients >= 0 else ())


NO_CHOICE = ("num_output", "group", "batch_size", "prefetch", "axis")  # numbers that choose no kernel, or told better


def _choices(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
        if field.name in NO_CHOICE or field.message_type is not None or is_text:
            continue
        is_real = field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
        yield field.name if is_real else f"{field.name}={value if isinstance(value, int) else list(value)}"


@cache
def table() -> KernelTable:
    """Return the table; it is read once, when it is first needed."""
    return KernelTable(TABLE.read_text())


def wanted() -> list[int]:
    """Return the kernels that Python calls for the nets and solvers that there are, by their rows in the table."""
    known, found = table(), dict[int, None]()
    # What else a layer would run for another size of image is not looked for: as a rule it has run what it needs.
    for layer, forward, backward in _layers():
        case = known.nearest(layer.type, fields_of_layer(layer))
        if case is not None:
            found.update(dict.fromkeys([*(case.forward if forward else ()), *(case.backward if backward else ())]))
    for solver in _alive(_solvers):
        case = known.nearest(rule_kind(solver.type), fields_of_solver(solver.param))
        found.update(dict.fromkeys(case.forward if case is not None else ()))
    return list(found)


def _layers() -> Iterator[tuple[LayerParameter, bool, bool]]:
    """Give each layer of the nets that there are, and whether it is still to run forward and backward."""
    for draft in list(_being_built):
        is_trained = draft.param.state.phase == TRAIN
        yield from ((layer, True, is_trained) for layer in draft.layers)
    for net in _alive(_nets):
        plan = net.plan
        for index, step in enumerate(plan.layer_steps):
            has_gradients = step.need_backward and (any(step.propagate_down) or bool(step.layer.blobs))
            backward = net.phase == TRAIN and index < plan.ran_backward and has_gradients
            yield step.layer.layer_param, index >= plan.ran_forward, backward


def _alive(noted: list[weakref.ref[T]]) -> list[T]:
    return [one for reference in noted.copy() if (one := reference()) is not None]


def rule_kind(solver_type: str) -> str:
    """Return the name of an update rule among the table's types."""
    return f"solver {solver_type}"


def _rest(seen: Compiled) -> Rest | None:
    return table().rest(wanted(), seen)


watch.forecast = _rest
