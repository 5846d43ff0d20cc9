"""Lines of a training log with the seconds since training began. Source: tools/extra/extract_seconds.py."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from caffelite.core.errors import DataError

# glog writes mmdd, and since 0.5 yyyymmdd, which Caffe's own scripts cannot read.
_TIME = re.compile(
    r"\s*[IWEF](\d{4})?(\d\d)(\d\d)\s+"
    r"(\d+):(\d+):(\d+)\.(\d+)(?=\s|$)"
)
START = "Solving"  # a line with this word is where the seconds begin


class LogLine(NamedTuple):
    """A line, and its seconds since the start; None if it does not begin with date and time."""

    text: str
    seconds: float | None


def lines_since_start(log: Path) -> Iterator[LogLine]:
    """Give the lines behind the first that has the word Solving.

    Dates have no year: it is that of the file's last change, and one more where the month falls, which keeps
    differences right. Raises DataError if there is no such line, or it has no date.
    """
    year = datetime.fromtimestamp(os.path.getctime(log)).year
    start = last = None
    with log.open(encoding="utf-8", errors="surrogateescape") as file:
        for text in file:
            if start is None:
                if START in text:
                    start = last = _time(text, year)
                    if start is None:
                        raise DataError(f"{log}: no date and time before the word {START}: {text.strip()}")
                continue
            time = _time(text, year)
            if time is not None and last is not None:
                if time.month < last.month:
                    year += 1
                    time = _time(text, year) or time
                last = time
            yield LogLine(text, None if time is None else (time - start).total_seconds())
    if start is None:
        raise DataError(f'{log}: no line has the word "{START}", which training begins with; give the log of a `train`')


def _time(text: str, year: int) -> datetime | None:
    match = _TIME.match(text)
    if match is None:
        return None
    own_year, *others = match.groups()
    month, day, hour, minute, second, microsecond = map(int, others)
    try:
        return datetime(int(own_year or year), month, day, hour, minute, second, microsecond)
    except ValueError:  # the 31st of February
        return None
