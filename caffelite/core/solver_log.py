"""Reads the log of a training, ours or Caffe's: the figures of each displayed iteration and of each test.

log = read_log("train.log")
log.train[-1].loss, log.tests[0][-1].outputs["accuracy"]
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

from caffelite.core.errors import DataError
from caffelite.core.files import file_problem, reason_of

STAMP = re.compile(r"^[IWEF](?:\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d(?:\.\d+)?)")
TESTING = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)")
LOSS = re.compile(r"Iteration (\d+)(?: \(.*?\))?, loss = (\S+)")
RATE = re.compile(r"Iteration (\d+), lr = (\S+)")
OUTPUT = re.compile(r"(Train|Test) net output #\d+: (.+?) = (\S+)( \(\* \S+ = \S+ loss\))?\s*$")
TEST_LOSS = re.compile(r"Test loss: (\S+)")
DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # before each month; the log names no year
DAY = 86400.0


@dataclass
class LogRow:
    """The figures of one displayed iteration or of one test, with what the log has of them.

    seconds: since the first line of the log. loss: the smoothed one of training, or `Test loss`. outputs: values by
    name in the order of the log; further values of one blob are `name[1]`, `name[2]`, ....
    """

    iter: int
    seconds: float | None = None
    lr: float | None = None
    loss: float | None = None
    outputs: dict[str, float] = field(default_factory=dict)

    def add_output(self, name: str, value: float) -> None:
        """Take up one value of an output blob."""
        key, number = name, 0
        while key in self.outputs:
            number += 1
            key = f"{name}[{number}]"
        self.outputs[key] = value


@dataclass
class TrainingLog:
    """The rows of training and, by the number of the test net, of testing, in the order of the log.

    loss_names: the outputs that are part of the loss, which the log marks.
    """

    train: list[LogRow] = field(default_factory=list)
    tests: dict[int, list[LogRow]] = field(default_factory=dict)
    loss_names: set[str] = field(default_factory=set)


class _Clock:
    """Seconds since the first line that has a time. Dates have no year: one that goes back a month is the next year."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._years = 0
        self._last = 0.0
        self.seconds: float | None = None

    def read(self, line: str) -> None:
        found = STAMP.match(line)
        if found is None:
            return
        month, day, hour, minute = (int(text) for text in found.groups()[:4])
        if not 1 <= month <= 12:
            return
        now = (DAYS[month - 1] + day) * DAY + hour * 3600 + minute * 60 + float(found[5]) + self._years * 365 * DAY
        if now < self._last - 30 * DAY:
            self._years += 1
            now += 365 * DAY
        self._first, self._last = now if self._first is None else self._first, now
        self.seconds = now - self._first


def parse_lines(lines: Iterable[str]) -> TrainingLog:
    """Return the figures that the lines of a log hold; lines of other programs between them do not matter."""
    log, clock = TrainingLog(), _Clock()
    row = LogRow(-1)  # what the outputs of the next lines belong to
    for line in lines:
        clock.read(line)
        if found := TESTING.search(line):
            row = LogRow(int(found[1]), clock.seconds)
            log.tests.setdefault(int(found[2]), []).append(row)
        elif found := LOSS.search(line):
            row = LogRow(int(found[1]), clock.seconds, loss=_value(found[2]))
            log.train.append(row)
        elif found := RATE.search(line):
            if log.train and log.train[-1].iter == int(found[1]):
                log.train[-1].lr = _value(found[2])
        elif found := OUTPUT.search(line):
            row.add_output(found[2], _value(found[3]))
            if found[4]:
                log.loss_names.add(found[2])
        elif found := TEST_LOSS.search(line):
            row.loss = _value(found[1])
    return log


def read_log(path: str | os.PathLike[str]) -> TrainingLog:
    """Read the log in file `path`; DataError if it cannot be read or no training or test stands in it."""
    if problem := file_problem(path):
        raise DataError(problem)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            log = parse_lines(file)
    except OSError as err:
        raise DataError(reason_of(err)) from None
    if not log.train and not log.tests:
        raise DataError(
            f'{os.fspath(path)}: no line "Iteration N, loss = ..." or "Iteration N, Testing net" stands in it; give '
            "what `caffelite train` or `caffe train` wrote to stderr: caffelite train solver.prototxt 2> train.log"
        )
    return log


def read_logs(paths: Sequence[str]) -> dict[str, TrainingLog]:
    """Read several logs; each is called by its file's name without the ending, or by its path where names are alike."""
    stems = Counter(Path(path).stem for path in paths)
    return {path if stems[Path(path).stem] > 1 else Path(path).stem: read_log(path) for path in paths}


def _value(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # -nan and the like, which C++ libraries write in several ways
        return nan
