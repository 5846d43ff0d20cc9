import os
import signal
import subprocess
import sys

import pytest

from caffelite.cli.signals import SignalSource
from caffelite.core.events import Action


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("effect", ["stop", "snapshot", "none"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_asks_once_for_its_effect(number, effect):
    with SignalSource(effect, effect, effect) as source:
        assert source() is Action.NONE
        send(number)
        assert source() is Action[effect.upper()]
        assert source() is Action.NONE


def test_hangup_comes_first():
    with SignalSource("stop", "snapshot", "stop") as source:
        send(signal.SIGINT)
        send(signal.SIGHUP)
        assert [source(), source(), source()] == [Action.SNAPSHOT, Action.STOP, Action.NONE]


def test_a_second_interrupt_stops_at_once():
    with SignalSource("stop", "snapshot", "stop") as source:
        send(signal.SIGINT)
        source()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_interrupts_that_do_not_stop_may_come_often():
    with SignalSource("snapshot", "stop", "stop") as source:
        send(signal.SIGINT)
        send(signal.SIGINT)
        assert [source(), source()] == [Action.SNAPSHOT, Action.NONE]


def test_the_handlers_before_come_back():
    numbers = signal.SIGINT, signal.SIGHUP, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    with SignalSource("stop", "snapshot", "stop"):
        assert not set(before) & {signal.getsignal(number) for number in numbers}
    assert [signal.getsignal(number) for number in numbers] == before


FORKING = """
import os, signal, time
from caffelite.cli.signals import SignalSource
with SignalSource("none", "none", "none") as source:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), number)
                time.sleep(30)
            except KeyboardInterrupt:
                os._exit(5)
            os._exit(6)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os.kill(os.getpid(), number)
"""


def test_processes_forked_meanwhile_end_as_ever():
    """Else a pool of a Python layer could not be ended."""
    run = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60)
    assert (run.stdout.split(), run.stderr) == (["5", str(-signal.SIGHUP), str(-signal.SIGTERM)], "")
    assert run.returncode == 0
