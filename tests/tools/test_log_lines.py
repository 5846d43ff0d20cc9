import os

import pytest

from caffelite.core.errors import DataError
from caffelite.tools.log_lines import lines_since_start


@pytest.fixture
def seconds_of(tmp_path):
    def run(*lines):
        (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
        return [line.seconds for line in lines_since_start(tmp_path / "log")]

    return run


def test_seconds_since_the_line_with_solving(seconds_of):
    found = seconds_of(
        "I0305 09:59:59.000001   7 net.cpp:1] before",
        "I0305 10:00:00.500000   7 solver.cpp:289] Solving LeNet",
        "a dump without a date",
        "",
        "W0305 10:00:02.000000 12345 solver.cpp:330] Iteration 0",
        "I0231 10:00:00.000000   7 solver.cpp:330] a day that is none",
        "I0306 10:00:00.500000   7 solver.cpp:330] Solving is no second start",
    )
    assert found == [None, None, 1.5, None, 86400]


def test_the_turn_of_the_year(seconds_of):
    found = seconds_of(
        "I1231 23:59:59.000000 7 a.cpp:1] Solving",
        "I0101 00:00:01.250000 7 a.cpp:1] x",
        "I0102 00:00:01.0 7 a.cpp:1] x",
    )
    assert found == [2.25, 86402]


def test_dates_with_the_year_as_newer_glog_writes_them(seconds_of):
    assert seconds_of("I20231231 23:59:59.000000 7 a.cpp:1] Solving", "I20240101 00:00:00.000000 7 a.cpp:1] x") == [1]


def test_names_that_are_no_utf8(tmp_path):
    (tmp_path / "log").write_bytes(b"I0305 10:00:00.0 7 a] Solving\nI0305 10:00:01.0 7 a] \xff\n")
    (line,) = lines_since_start(tmp_path / "log")
    assert os.fsencode(line.text).endswith(b"\xff\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [("I0305 10:00:00.0 7 a] x", 'no line has the word "Solving"'), ("Solving", "no date and time")],
)
def test_no_start(seconds_of, line, message):
    with pytest.raises(DataError, match=message):
        seconds_of(line)
