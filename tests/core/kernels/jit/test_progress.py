import io
import logging
import subprocess
import sys
import time

import pytest

from caffelite.core.kernels.jit import progress
from caffelite.core.kernels.jit.progress import CompileWatch, Report, Rest, show_on_stderr

SLOW_TO_COMPILE = """
import sys, time, numba
from caffelite.core.kernels.jit import progress
from caffelite.core.kernels.jit.compile import kernel
progress.FIRST = progress.AGAIN = 0.0
progress.POLL = 0.01

@numba.njit
def theirs(x):
    return x + 1

theirs(1)
assert progress.watch._done == []
{kernel}
inner = kernel(inner)
outer = kernel(outer)
print(outer(1))
print(progress.watch._done, progress.watch._now)
"""
KERNELS = """
def inner(x):
    return x + 1

def outer(x):
    return inner(x) * 2
"""


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "FIRST", 0.05)
    monkeypatch.setattr(progress, "AGAIN", 0.05)
    monkeypatch.setattr(progress, "POLL", 0.005)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_word_while_it_lasts_and_one_at_the_end(quick):
    reports = []
    watch = CompileWatch(reports.append)
    watch.begin("relu._relu")
    watch.begin("relu._relu")  # a kernel that the first one calls
    watch.end()
    wait_for(lambda: len(reports) >= 2)
    watch.end()
    wait_for(lambda: reports[-1].done)
    assert [report.done for report in reports] == [False] * (len(reports) - 1) + [True]
    assert {report.kernels for report in reports[:-1]} == {1} and reports[-1].kernels == 2
    seconds = [report.seconds for report in reports]
    assert seconds == sorted(seconds) and seconds[0] >= 0.05


def test_nothing_of_what_is_quick(quick):
    reports = []
    watch = CompileWatch(reports.append)
    for _ in range(10):
        watch.begin("relu._relu")
        watch.end()
    wait_for(lambda: not watch._thread.is_alive())
    assert reports == []


def test_the_line():
    assert str(Report(14, 12.4, False)) == "compiling kernels for this CPU, once: 14 so far, 12 s"
    known = Report(14, 12.4, False, Rest(17, 11.6))
    assert str(known) == "compiling kernels for this CPU, once: 14 of 31, about 12 s left"
    assert str(known._replace(rest=Rest(1, -3.0))) == "compiling kernels for this CPU, once: 14 of 15, about 1 s left"
    assert str(Report(31, 25.2, True)) == "compiled kernels for this CPU, once: 31, 25 s"


def test_asks_what_is_left_with_what_is_compiled_and_loaded_and_for_how_long(quick):
    reports, asked = [], []

    def forecast(seen):
        asked.append(seen)
        return Rest(3, 2.0)

    watch = CompileWatch(reports.append)
    watch.forecast = forecast
    watch.loaded("a")
    watch.begin("b")
    watch.begin("c")
    watch.end()
    watch.begin("d")
    watch.end(is_compiled=False)  # numba tries again
    wait_for(lambda: reports)
    watch.end()
    seen = asked[0]
    assert (seen.done, seen.loaded, seen.now) == (["c"], ["a"], ["b"])
    assert 0 <= seen.seconds < 0.05 < seen.seconds + seen.since
    assert reports[0].rest == Rest(3, 2.0) and reports[0].kernels == 1


def test_a_forecast_that_fails_is_told_once_and_the_word_goes_on(quick, caplog):
    reports = []

    def forecast(seen):
        raise FileNotFoundError("no kernel_table.json")

    watch = CompileWatch(reports.append)
    watch.forecast = forecast
    watch.begin("relu._relu")
    wait_for(lambda: len(reports) >= 2)
    watch.end()
    wait_for(lambda: reports[-1].done)
    assert [report.rest for report in reports[:2]] == [None, None]
    assert caplog.messages == ["How long compiling takes cannot be told: FileNotFoundError: no kernel_table.json"]


def test_no_pause_of_two_seconds_without_a_word_also_where_little_of_it_is_compiling(monkeypatch):
    assert max(progress.FIRST, progress.AGAIN) + 2 * progress.POLL < 2
    monkeypatch.setattr(progress, "FIRST", 0.1)
    monkeypatch.setattr(progress, "AGAIN", 0.3)
    monkeypatch.setattr(progress, "POLL", 0.005)
    times = []
    watch = CompileWatch(lambda report: times.append(time.monotonic()))
    watch.begin("relu._relu")
    wait_for(lambda: times)
    watch.end()
    while len(times) < 4:  # short kernels with pauses between
        watch.begin("relu._relu")
        time.sleep(0.01)
        watch.end()
        time.sleep(0.04)
    gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert max(gaps[:3]) < 1.2  # compiling alone would take 1.5 s to come to AGAIN


@pytest.mark.parametrize("terminal", [False, True])
def test_stderr(monkeypatch, terminal):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    report = Report(1, 2.0, False)
    show_on_stderr(report)
    show_on_stderr(report._replace(done=True))
    assert stream.getvalue() == f"caffelite: {report}\n"  # what follows, a prompt for instance, is never erased
    monkeypatch.setattr(logging.getLogger("caffelite"), "level", logging.WARNING)
    show_on_stderr(report)
    assert stream.getvalue() == f"caffelite: {report}\n"


def test_closed_stderr(monkeypatch):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.watch, "show", show_on_stderr)
    show_on_stderr(Report(1, 2.0, False))
    assert progress.watch.show is not show_on_stderr


def test_only_our_kernels_count(tmp_path):
    (tmp_path / "late.py").write_text(SLOW_TO_COMPILE.format(kernel=KERNELS))
    done = subprocess.run([sys.executable, "late.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "4\n['__main__.inner', '__main__.outer.python'] []\n", done.stderr
    assert "caffelite: compiling kernels for this CPU, once: " in done.stderr
