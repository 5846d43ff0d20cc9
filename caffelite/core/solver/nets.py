"""The nets of a solver: one to train, any number to test it. Source: src/caffe/solver.cpp."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.errors import SolverError
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import merged_state, with_state
from caffelite.core.prototxt.lines import Lines
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.upgrade import load_net, upgrade_net
from caffelite.core.solver.checks import check_test_fields
from caffelite.core.solver.file import SolverFile
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter, NetState

log = logging.getLogger("caffelite")

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


class NetSource(NamedTuple):
    """What a net is built from: its draft, and the folder that its paths are relative to."""

    draft: Draft
    folder: Path | None


@dataclass(frozen=True)
class NetMaker:
    """What all nets of one solver have in common."""

    file: SolverFile
    seed: int
    dtype: np.dtype[Any]
    solver_rank: int
    solver_count: int
    python_layers: bool = True
    net_class: type[Net] = Net
    data_workers: int | None = None
    on_bad_record: str = "stop"
    told: set[str] = field(default_factory=set)  # warnings of the file; nets of one file share most of its layers

    def train_net(self) -> Net:
        """Return the net to train: the one of net, net_param, train_net, train_net_param that is given."""
        field = self._train_field()
        source = f"from {field} file: {getattr(self.file.param, field)}" if field.endswith("net") else ""
        log.info("Creating training net %s", source or f"specified in {field}.")
        return self._net(self.train_source())

    def test_nets(self) -> list[Net]:
        """Return the test nets, each with its state: those of test_net_param, of test_net, copies of the train net."""
        fields = self.test_fields()
        read = {name: self._read(name) for name in fields}
        nets = []
        for index, name in enumerate(fields):
            log.info("Creating test net (#%d) specified by %s", index, self._described(name))
            nets.append(self._net(_in_state(read[name], TEST, self._test_state(index))))
            nets[-1].debug_info = self.file.param.debug_info
        return nets

    def train_source(self) -> NetSource:
        """Return what the net to train is built from; SolverError or PrototxtError if there is none."""
        return _in_state(self._read(self._train_field()), TRAIN, self.file.param.train_state)

    def test_fields(self) -> list[str]:
        """Return for each test net the field that gives it, such as `test_net[0]`; SolverError if they do not fit."""
        param = self.file.param
        copies = check_test_fields(self.file)
        fields = [f"test_net_param[{i}]" for i in range(len(param.test_net_param))]
        fields += [f"test_net[{i}]" for i in range(len(param.test_net))]
        return fields + [self._train_field()] * copies

    def test_source(self, index: int, field: str) -> NetSource:
        """Return what test net `index` is built from, given by `field`."""
        return _in_state(self._read(field), TEST, self._test_state(index))

    def _test_state(self, index: int) -> NetState:
        states = self.file.param.test_state
        return states[index] if states else NetState()

    def _train_field(self) -> str:
        given = [field for field in TRAIN_FIELDS if self.file.param.HasField(field)]
        if len(given) == 1:
            return given[0]
        names = ", ".join(TRAIN_FIELDS)
        if not given:
            where = self.file.where("")
            raise SolverError(f"{where}SolverParameter must specify a train net using one of these fields: {names}")
        raise SolverError(
            f"{self.file.where(given[1])}SolverParameter must not contain more than one of these fields specifying "
            f"a train_net: {names}; it has {' and '.join(given)}"
        )

    def _described(self, field: str) -> str:
        name = field.partition("[")[0]
        return name if name.endswith("param") else f"{name} file: {self._value(field)}"

    def _value(self, field: str) -> Any:
        name, _, index = field.partition("[")
        value = getattr(self.file.param, name)
        return value[int(index[:-1])] if index else value

    def _read(self, field: str) -> NetSource:
        """Return the net that a field of the solver gives, in the state that its own file says."""
        value = self._value(field)
        lines: Lines | None
        if isinstance(value, NetParameter):
            lines = self.file.lines.under(field) if self.file.lines else Lines(field, {})
            param, lines, notes = upgrade_net(value, lines)
            folder = self.file.path.parent if self.file.path else None
        else:
            path = self.file.find(field, value)
            param, lines, notes = load_net(path, layer_type_list())
            folder = path.parent
        log_notes(notes)
        return NetSource(Draft.of(param, lines), folder)

    def _net(self, source: NetSource) -> Net:
        context = Context(
            seed=self.seed,
            dtype=self.dtype,
            solver_rank=self.solver_rank,
            solver_count=self.solver_count,
            folder=source.folder,
            python_layers=self.python_layers,
            data_workers=self.data_workers,
            on_bad_record=self.on_bad_record,
            told=self.told,
        )
        return self.net_class.from_draft(source.draft, context)


def _in_state(source: NetSource, phase: int, state: NetState) -> NetSource:
    """Return the net in the state of a solver's net, which is final."""
    param = source.draft.param
    merged = merged_state(phase, param.state, state)
    return source._replace(draft=source.draft.with_param(with_state(param, merged)))
