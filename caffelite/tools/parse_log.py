"""The figures of a training log as tables. Source: tools/extra/parse_log.py, parse_log.sh, extract_seconds.py."""

from __future__ import annotations

import csv
import io
import logging
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from caffelite.core.errors import UsageError
from caffelite.core.weights.atomic import replacing
from caffelite.tools.log_lines import LogLine, lines_since_start

log = logging.getLogger("caffelite")

Row = dict[str, float]

_ITERATION = re.compile(r"Iteration (\d+)")
_LEARNING_RATE = re.compile(r"lr = ([-+]?[0-9]*\.?[0-9]+(?:[eE]?[-+]?[0-9]+)?)")
_OUTPUT = {phase: re.compile(rf"{phase} net output #(\d+): (\S+) = ([.\deE+-]+)") for phase in ("Train", "Test")}


@dataclass
class Table:
    """Rows of one kind of output, as they come; all have NumIters, Seconds and LearningRate, then the outputs."""

    rows: list[Row] = field(default_factory=list)
    unfinished: Row | None = None

    def add(self, name: str, value: float, iteration: float, seconds: float, learning_rate: float) -> None:
        """Put a value into the row of its iteration; a row ends with the next, or when it is as long as the first."""
        row = self.unfinished
        if row is None or row["NumIters"] != iteration:
            if row is not None:
                self.rows.append(row)
            row = {"NumIters": iteration, "Seconds": seconds, "LearningRate": learning_rate}
        row[name] = value
        self.unfinished = row
        if self.rows and len(row) == len(self.rows[0]):
            self.rows.append(row)
            self.unfinished = None


def parse_log(path: Path) -> tuple[Table, Table]:
    """Return the training and the test outputs of a log; see log_lines.py for what is raised.

    As in Caffe the learning rate of a row is the one that was logged last before it, so that of the display before;
    the first row gets the second's. A last row that is not full, as when a run was killed, is left out; so is the
    only row of a kind. Values that are nan or inf are none.
    """
    tables = {phase: Table() for phase in _OUTPUT}
    iteration, learning_rate = -1.0, math.nan
    for text, seconds in lines_since_start(path):
        if match := _ITERATION.search(text):
            iteration = float(match[1])
        if iteration < 0 or seconds is None:
            continue
        if match := _LEARNING_RATE.search(text):
            learning_rate = float(match[1])
        for phase, pattern in _OUTPUT.items():
            match = pattern.search(text)
            value = None if match is None else _number(match[3])
            if match is not None and value is not None:
                tables[phase].add(match[2], value, iteration, seconds, learning_rate)
    for table in tables.values():
        if len(table.rows) > 1:
            table.rows[0]["LearningRate"] = table.rows[1]["LearningRate"]
    return tables["Train"], tables["Test"]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # the minus of -nan
        return None


def write_csv(path: Path, out: Path, delimiter: str = ",") -> list[Path]:
    """Write the outputs of the log `path` to `out`/NAME.train and NAME.test, and return the files that were written.

    Of a kind of output that has no row, or one that no other follows, there is no file, but a warning.
    """
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise UsageError(f"--delimiter is {delimiter!r}; use one character, such as , or ;")
    tables = parse_log(path)
    _make_folder(out)
    written = []
    for kind, table in zip(("train", "test"), tables, strict=True):
        target = out / f"{path.name}.{kind}"
        if table.rows:
            _replace(target, _csv(table.rows, delimiter, target))
            written.append(target)
        elif table.unfinished is None:
            log.warning("%s has no outputs of kind %s; %s is not written", path, kind, target)
        else:
            log.warning("%s has %s outputs of one iteration only, as yet no row; %s is not written", path, kind, target)
    return written


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{out} is not a folder; name one for the tables") from None


def _csv(rows: list[Row], delimiter: str, target: Path) -> str:
    columns = list(rows[0])
    if others := sorted({name for row in rows for name in row} - set(columns)):
        log.warning("%s leaves out what the first row has not: %s", target, ", ".join(others))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _replace(target: Path, text: str) -> None:
    with replacing(target) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def write_columns(path: Path, out: Path) -> list[Path]:
    """Write the tables of parse_log.sh, for gnuplot, to `out`/NAME.test and NAME.train, and return both.

    NAME.test has the iterations of the tests, and the first two outputs whatever they are; NAME.train the losses and
    rates of the displays. What is missing is `nan`. Caffe 1.0 itself writes a speed in place of the loss: the script
    is older than the line.
    """
    tests: dict[int, list[str]] = {}
    displays: dict[int, list[str]] = {}
    iteration = -1
    for text, seconds in lines_since_start(path):
        if match := _ITERATION.search(text):
            iteration = int(match[1])
        if iteration < 0 or seconds is None:
            continue
        _take_columns(LogLine(text, seconds), iteration, tests, displays)
    _make_folder(out)
    targets = [out / f"{path.name}.test", out / f"{path.name}.train"]
    _replace(targets[0], _columns(["#Iters", "Seconds", "TestAccuracy", "TestLoss"], tests))
    _replace(targets[1], _columns(["#Iters", "Seconds", "TrainingLoss", "LearningRate"], displays))
    return targets


def _take_columns(line: LogLine, iteration: int, tests: dict[int, list[str]], displays: dict[int, list[str]]) -> None:
    text, seconds = line
    if "Testing net" in text:
        tests[iteration] = [f"{seconds:f}", "nan", "nan"]
    elif match := re.search(r"Test net output #([01]): \S+ = (\S+)", text):
        if iteration in tests:
            tests[iteration][1 + int(match[1])] = match[2]
    elif match := re.search(r", (loss|lr) = (\S+)", text):
        row = displays.setdefault(iteration, [f"{seconds:f}", "nan", "nan"])
        row[1 if match[1] == "loss" else 2] = match[2]


def _columns(header: list[str], rows: dict[int, list[str]]) -> str:
    """Return the header, and below it the rows in columns of even width."""
    lines = [[str(iteration), *values] for iteration, values in rows.items()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join([" ".join(header), *padded]) + "\n"


def extract_seconds(path: Path, out: Path) -> int:
    """Write the seconds of each line that has the word Iteration to the file `out`, one a line; return their number."""
    seconds = [
        line.seconds for line in lines_since_start(path) if "Iteration" in line.text and line.seconds is not None
    ]
    _replace(out, "".join(f"{value:f}\n" for value in seconds))
    return len(seconds)
