import os
import signal

import pytest

from caffelite.cli.signals import SignalSource
from caffelite.core.events import Action


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("effect", ["stop", "snapshot", "none"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_asks_once_for_its_effect(number, effect):
    with SignalSource(effect, effect) as source:
        assert source() is Action.NONE
        send(number)
        assert source() is Action[effect.upper()]
        assert source() is Action.NONE


def test_hangup_comes_first():
    with SignalSource("stop", "snapshot") as source:
        send(signal.SIGINT)
        send(signal.SIGHUP)
        assert [source(), source(), source()] == [Action.SNAPSHOT, Action.STOP, Action.NONE]


def test_a_second_interrupt_stops_at_once():
    with SignalSource("stop", "snapshot") as source:
        send(signal.SIGINT)
        source()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_interrupts_that_do_not_stop_may_come_often():
    with SignalSource("snapshot", "stop") as source:
        send(signal.SIGINT)
        send(signal.SIGINT)
        assert [source(), source()] == [Action.SNAPSHOT, Action.NONE]


def test_the_handlers_before_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)
    with SignalSource("stop", "snapshot"):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)) == before
