import os
import signal
import subprocess
import sys
import time

import pytest

from caffelite.cli.signals import SignalSource
from caffelite.core.events import Action


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("effect", ["stop", "snapshot", "none"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_asks_once_for_its_effect(number, effect):
    with SignalSource(effect, effect, effect, print) as source:
        assert source() is Action.NONE
        send(number)
        assert source() is Action[effect.upper()]
        assert source() is Action.NONE


def test_hangup_comes_first():
    with SignalSource("stop", "snapshot", "stop", print) as source:
        send(signal.SIGINT)
        send(signal.SIGHUP)
        assert [source(), source(), source()] == [Action.SNAPSHOT, Action.STOP, Action.NONE]


def test_a_second_interrupt_stops_at_once(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # back afterwards
    with SignalSource("stop", "snapshot", "stop", print) as source:
        send(signal.SIGINT)
        source()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_interrupts_that_do_not_stop_may_come_often():
    with SignalSource("snapshot", "stop", "stop", print) as source:
        send(signal.SIGINT)
        send(signal.SIGINT)
        assert [source(), source()] == [Action.SNAPSHOT, Action.NONE]


def test_the_handlers_before_come_back():
    numbers = signal.SIGINT, signal.SIGHUP, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    with SignalSource("stop", "snapshot", "stop", print):
        assert not set(before) & {signal.getsignal(number) for number in numbers}
    assert [signal.getsignal(number) for number in numbers] == before


FORKING = """
import os, signal, time
from caffelite.cli.signals import SignalSource
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
with SignalSource("none", "none", "none", print) as source:
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


BUSY = """
import hashlib, signal, sys, threading, time
from caffelite.cli.signals import SignalSource

def say(text):
    print(text, flush=True)

with SignalSource("stop", "none", "stop", say) as source:
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 4_000_000)  # as compiling: Python runs no handler meanwhile
    print("handlers run", flush=True)
    source()
    print(source.stopped_by.name)
assert signal.set_wakeup_fd(-1) == -1 and threading.active_count() == 1
"""


def test_an_answer_at_once_while_something_is_compiled():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "SIGTERM: stopping after this iteration\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping after this iteration; Ctrl-C again stops now\n"
        assert process.stdout.read() == "handlers run\nSIGINT\n"
    assert process.returncode == 0


HALF_MADE = """
import signal, sys
from caffelite.cli import main, version

class HalfMade:
    def __del__(self):
        raise AttributeError("half made")

def interrupted(line):
    made = HalfMade()
    signal.raise_signal(signal.SIGINT)

version.write_stdout = interrupted
sys.argv = ["caffelite", "version"]
sys.exit(main())
"""


def test_what_an_interrupt_leaves_half_made_writes_no_traceback():
    done = subprocess.run([sys.executable, "-c", HALF_MADE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "caffelite: stopped by Ctrl-C\n")


# A command that stands where Python runs no handler, as in LLVM.
HELD_UP = """
import hashlib, sys
from caffelite.cli import main, version

def held_up(line):
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", ROUNDS)
    print("held no more")

version.write_stdout = held_up
sys.argv = ["caffelite", "version"]
sys.exit(main())
"""


def start(code):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)  # it is held up now
    return process


def test_an_interrupt_is_answered_where_the_command_cannot_end_yet_and_a_second_one_ends_it():
    with start(HELD_UP.replace("ROUNDS", "400_000_000")) as process:  # minutes
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "caffelite: stopping; Ctrl-C again stops now\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == ("", "caffelite: stopped by Ctrl-C\n")
    assert process.returncode == 130


def test_one_interrupt_is_enough_where_the_command_is_held_up():
    with start(HELD_UP.replace("ROUNDS", "4_000_000")) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("caffelite: stopped by Ctrl-C\n")


# What C called, or a finalizer, cannot raise: Python would drop the interrupt.
DROPPED = """
import signal, sys, time
from caffelite.cli import main, version

class Finalizer:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def dropped(line):
    Finalizer()
    time.sleep(20)
    print("went on")

def failing(line):
    Finalizer()
    raise RuntimeError("no compiled object yet")

version.write_stdout = WRITE
sys.argv = ["caffelite", "version"]
sys.exit(main())
"""


@pytest.mark.parametrize("write", ["dropped", "failing"])
def test_an_interrupt_that_python_drops_ends_the_command_all_the_same(write):
    code = DROPPED.replace("WRITE", write)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "caffelite: stopped by Ctrl-C\n")


# A lock has been taken, and an interrupt comes before the block that would give it back has begun.
LOCKED = """
import functools, signal, sys, threading, time, types
from caffelite.cli import main, version

def interrupted(line):
    lock = threading.Lock()
    lock.acquire()
    taken = functools.partial(signal.raise_signal, signal.SIGINT)
    names = {"acquire": lock.acquire, "release": lock.release, "__enter__": taken, "__exit__": lock.__exit__}
    with threading.Condition(types.SimpleNamespace(**names)):
        pass
    print("given back")
    time.sleep(20)
    print("went on")

version.write_stdout = interrupted
sys.argv = ["caffelite", "version"]
sys.exit(main())
"""


def test_an_interrupt_waits_where_a_lock_was_taken():
    """Else the threads that need the lock would wait for it for ever, and the end of the program for them."""
    done = subprocess.run([sys.executable, "-c", LOCKED], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout) == (130, "given back\n")
    assert done.stderr == "caffelite: stopped by Ctrl-C\n"


def test_a_third_interrupt_ends_a_training_that_is_held_up():
    busy = BUSY.replace("4_000_000", "400_000_000")
    with start(busy) as process:
        for text in ("stopping after this iteration; Ctrl-C again stops now", "stopping now, without a snapshot"):
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == f"{text}\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == ("stopped by Ctrl-C\n", "")
    assert process.returncode == 130
