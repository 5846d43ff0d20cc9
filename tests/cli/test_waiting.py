import io
import sys
import time

import pytest

from caffelite.cli import glog, streams, waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Make a terminal on which a command says so when it waits for a moment; what is seen is its value."""

    def make():  # in the test, since pytest puts a stderr of its own in place when the test begins
        seen = Terminal()
        monkeypatch.setattr(sys, "stderr", seen)
        return seen

    monkeypatch.setattr(streams, "stderr_is_terminal", lambda: True)
    monkeypatch.setattr(glog, "screen", glog.StderrHandler)
    monkeypatch.setattr(waiting, "AFTER", 0.05)
    monkeypatch.setattr(waiting, "EVERY", 0.01)
    return make


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_a_command_that_says_nothing_is_named_with_its_seconds(terminal):
    seen = terminal()
    with waiting.shown("check"):
        until(lambda: "caffelite check: 0 s" in seen.getvalue())
        streams.write_stderr("found")
        assert "caffelite check: 0 s\r\x1b[Kfound\n" in seen.getvalue()
        until(lambda: seen.getvalue().endswith(" s"))
    assert seen.getvalue().endswith(" s\r\x1b[K")
    streams.write_stderr("end")
    assert seen.getvalue().endswith("\x1b[Kend\n")


def test_a_command_that_draws_by_itself_is_left_alone(terminal):
    seen = terminal()
    with waiting.shown("train"), waiting.suspended():
        time.sleep(0.2)
    assert seen.getvalue() == ""
    with waiting.suspended():
        pass


def test_nothing_without_a_terminal(terminal, monkeypatch):
    seen = terminal()
    monkeypatch.setattr(streams, "stderr_is_terminal", lambda: False)
    with waiting.shown("check"):
        time.sleep(0.2)
    assert seen.getvalue() == ""


def test_nothing_where_the_log_leaves_out_information(terminal, monkeypatch):
    seen = terminal()
    monkeypatch.setattr(glog, "screen", lambda: None)
    with waiting.shown("check"):
        time.sleep(0.2)
    assert seen.getvalue() == ""


def test_what_is_printed_takes_the_place_of_the_line(terminal, monkeypatch):
    seen = terminal()
    monkeypatch.setattr(sys, "stdout", seen)
    with waiting.shown("lesson"), waiting.printing():
        until(lambda: seen.getvalue().endswith("caffelite lesson: 0 s"))
        print("one", flush=True)
        assert "0 s\r\x1b[Kone\n" in seen.getvalue()
        until(lambda: seen.getvalue().endswith(" s"))
    assert sys.stdout is seen


def test_no_line_is_drawn_over_half_a_line_and_at_a_question(terminal, monkeypatch):
    seen = terminal()
    monkeypatch.setattr(sys, "stdout", seen)
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with waiting.shown("lesson"), waiting.printing():
        print("rate", end=": ", flush=True)
        time.sleep(0.2)
        assert seen.getvalue() == "rate: "
        print("fast")
        assert input("why? ") == "yes"
        time.sleep(0.2)
        assert seen.getvalue() == "rate: fast\nwhy? "
    assert seen.getvalue() == "rate: fast\nwhy? \n"


def test_without_a_terminal_text_is_printed_as_it_is(capsys):
    with waiting.printing():
        print("one", end="")
    assert capsys.readouterr().out == "one"
