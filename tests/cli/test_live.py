import os
import pty
import re
import select
import signal
from datetime import timedelta

import pytest

from caffelite.cli import live
from caffelite.core.events import IterationFinished, NetTestFinished, NetTestStarted, Output, SolvingStarted
from caffelite.core.kernels.jit.progress import Report

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ([Output("loss", 0.25, 1), Output("accuracy", 0.5, 0)], "test accuracy 0.5"),
        ([Output("label", 3, 0), Output("loss", 0.25, 1)], "test loss 0.25"),
        ([Output("label", 3, 0)], ""),
    ],
)
def test_newest_result(outputs, text):
    assert live.newest_result(tuple(outputs)) == text


class Progress:
    """Stands for rich's; keeps what is shown."""

    def __init__(self):
        self.shown = []

    def add_task(self, description, total):
        return 0

    def update(self, task, completed, description):
        self.shown.append((completed, description))

    def refresh(self):
        pass


@pytest.mark.parametrize("begin", [0, 900])
def test_the_time_left_is_that_of_the_iterations_left(monkeypatch, begin):
    """Also after a resume: the clock starts behind the first iteration, which is not the first of the training."""
    now = 100.0
    monkeypatch.setattr("caffelite.cli.live.time.perf_counter", lambda: now)
    progress = Progress()
    line = live.LiveLine(progress, max_iter=1000, images=64)
    now += 30  # compiling
    for done in range(1, 6):
        line(IterationFinished(begin + done, 0.5, 0.5, 0.1))
        now += 2
    now += 6  # a test; it counts, too: 16 s for 5 iterations
    line(IterationFinished(begin + 6, 0.5, 0.25, 0.1))
    left = timedelta(seconds=round((1000 - begin - 6) * 16 / 5))
    assert progress.shown[0] == (
        begin + 2,
        f"{begin + 2}/1000  loss 0.5  32 images/s  {timedelta(seconds=(1000 - begin - 2) * 2)} left",
    )
    completed, text = progress.shown[-1]
    assert completed == begin + 6
    assert text.startswith(f"{begin + 6}/1000  loss 0.25  ")
    assert text.endswith(f" images/s  {left} left")


def test_a_resumed_run_begins_where_it_stood():
    progress = Progress()
    line = live.LiveLine(progress, max_iter=1000, images=64)
    line(SolvingStarted(900, "tiny", "fixed", 1000))
    assert progress.shown == [(900, "iteration 900")]


def test_the_line_says_what_is_done_now():
    progress = Progress()
    line = live.LiveLine(progress, max_iter=1000, images=64)
    line(NetTestStarted(0, 0, 1))
    line.show_compiling(Report(3, 2.0, False))
    line.show_compiling(Report(9, 4.0, True))
    line(NetTestFinished(0, 0, (Output("accuracy", 0.1, 0),), None, 1.0))
    line.show_compiling(Report(12, 6.0, False))
    assert [text for _, text in progress.shown] == [
        "iteration 0, testing net #0",
        "compiling kernels for this CPU, once: 3 so far, 2 s",
        "iteration 0, testing net #0",
        "0/1000  test accuracy 0.1",
        "compiling kernels for this CPU, once: 12 so far, 6 s",
    ]


def on_terminal(started_program, *words, term):
    """Run the program with its stderr on a terminal; return what the terminal got."""
    master, slave = pty.openpty()
    process = started_program(*words, stderr=slave, env={**os.environ, "TERM": term, "COLUMNS": "150"})
    os.close(slave)
    pieces = []
    while select.select([master], [], [], 60)[0]:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says EIO when nobody has the other end any more
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(master)
    assert process.wait(60) == 0
    return b"".join(pieces).decode()


TRAIN = ("train", "--solver=solver.prototxt")


def test_the_live_line_stands_under_whole_log_lines(started_program, program, solver_with, texts):
    solver_with(max_iter="2000", display="500", test_interval="500", iter_size="2")
    shown = on_terminal(started_program, *TRAIN, term="xterm-256color")
    drawn = re.findall(
        r"(\d+)/2000  loss [\d.e-]+  test accuracy [\d.]+  \d+ images/s  \d:\d\d:\d\d left", CONTROLS.sub("", shown)
    )
    assert drawn
    assert [int(iteration) for iteration in drawn] == sorted(map(int, drawn))
    plain = CONTROLS.sub("\n", shown)
    assert texts(plain) == program(*TRAIN).texts
    assert shown.count("\x1b[?25l") == 1  # and the cursor shown before a line is drawn: who is killed leaves it so
    assert "images/s" not in shown[: shown.index("\x1b[?25h", shown.index("\x1b[?25l"))]


def test_quiet_keeps_the_live_line_and_the_results(started_program, solver_with, texts):
    solver_with(max_iter="2000", display="500", iter_size="2")
    shown = CONTROLS.sub("\n", on_terminal(started_program, *TRAIN, "--quiet", term="xterm-256color"))
    assert " images/s  " in shown
    assert texts(shown)[:2] == ["Starting Optimization", "Solving tiny"]


def test_no_live_line_on_a_dumb_terminal_or_without_log_lines(started_program, folder):
    assert "\x1b" not in on_terminal(started_program, *TRAIN, term="dumb")
    assert on_terminal(started_program, *TRAIN, "--minloglevel=1", term="xterm") == ""


def test_a_terminal_that_was_closed_costs_no_snapshot(started_program, solver_with, folder):
    solver_with(max_iter="100000000", test_iter=None, test_interval=None)
    master, slave = pty.openpty()
    process = started_program(*TRAIN, stderr=slave, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    shown = b""
    while b"images/s" not in shown:
        shown += os.read(master, 65536)
    os.close(master)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert list(folder.glob("tiny_iter_*.solverstate"))
