import contextlib
import os
import signal
import subprocess
import sys
import threading
import traceback
import weakref

import pytest

from caffelite.core.kernels.jit.interrupts import Interrupts

# Ctrl-C while LLVM is at work is taken up by the first Python that runs, which is what LLVM calls with the object.
INTERRUPTED = """
import signal, sys, traceback
from numba.core.codegen import CPUCodeLibrary
from caffelite.core.kernels.jit.compile import kernel

take, presses = CPUCodeLibrary._object_compiled_hook, [signal.SIGINT]

def interrupted(*args):
    if presses:
        signal.raise_signal(presses.pop())
    take(*args)

CPUCodeLibrary._object_compiled_hook = interrupted

@kernel
def inner(x):
    return x + 1

@kernel
def outer(x):
    return inner(x) * 2

try:
    outer(1)
except BaseException as err:
    print(type(err).__name__, len(traceback.format_exc().splitlines()) < 40)
print(outer(1), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.fixture(autouse=True)
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_while_llvm_is_at_work(tmp_path):
    (tmp_path / "late.py").write_text(INTERRUPTED)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "late.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )
    assert done.stdout == "KeyboardInterrupt True\n4 True\n", done.stderr
    assert not [line for line in done.stderr.splitlines() if "compiling kernels" not in line]


def test_is_raised_at_once():
    interrupts = Interrupts()
    interrupts.begin()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.end(KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _raw_object_cache_notify():  # the name of what LLVM calls
    signal.raise_signal(signal.SIGINT)


def test_what_would_be_dropped_is_held_to_the_end_of_the_inner_kernel():
    interrupts = Interrupts()
    interrupts.begin()
    interrupts.begin()
    _raw_object_cache_notify()
    with pytest.raises(KeyboardInterrupt):
        interrupts.end()
    interrupts.begin()
    interrupts.end()  # once is enough
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupts.end(KeyboardInterrupt)
    assert len(traceback.extract_tb(caught.value.__traceback__)) <= 2


class Referred:
    """What a weak reference can refer to."""


def test_is_held_in_the_end_of_a_weak_reference():
    interrupts = Interrupts()
    interrupts.begin()
    weakref.finalize(Referred(), signal.raise_signal, signal.SIGINT)  # called at once, as nothing holds the object
    with pytest.raises(KeyboardInterrupt):
        interrupts.end()


def test_what_was_raised_and_dropped_is_raised_in_the_end():
    interrupts = Interrupts()
    interrupts.begin()
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.end()
    interrupts.begin()
    interrupts.end()


def test_modules_that_must_not_be_interrupted():
    interrupts = Interrupts(__name__)
    interrupts.begin()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.end()


BEFORE_ITS_BEGINNING = """
import signal
from numba.core import event
from caffelite.core.kernels.jit import numba_compat
from caffelite.core.kernels.jit.compile import kernel
from caffelite.core.kernels.jit.progress import watch

class First(event.Listener):
    def on_start(self, event):
        if presses:
            presses.pop()()
    def on_end(self, event):
        pass

def press():
    raise KeyboardInterrupt  # as Python's own handler

@kernel
def double(x):
    return x * 2

presses = [press]
event._registered["numba:compile"].insert(0, First())
try:
    double(1)
except BaseException as err:
    print(type(err).__name__)
print(double(1), numba_compat.interrupts._depth, watch._now)
"""


def test_before_numba_told_that_a_kernel_begins(tmp_path):
    (tmp_path / "early.py").write_text(BEFORE_ITS_BEGINNING)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "early.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "KeyboardInterrupt\n2 0 []\n", done.stderr


def test_a_failure_that_came_of_it_is_not_shown():
    interrupts = Interrupts()
    interrupts.begin()
    _raw_object_cache_notify()
    with pytest.raises(KeyboardInterrupt) as caught:
        try:
            raise RuntimeError("no compiled object yet")
        except RuntimeError as err:
            interrupts.end(type(err))
    assert caught.value.__suppress_context__


def test_another_error_is_left_alone():
    interrupts = Interrupts()
    interrupts.begin()
    interrupts.end(ValueError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_others_stay():
    came = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    interrupts = Interrupts()
    interrupts.begin()
    signal.raise_signal(signal.SIGINT)
    interrupts.end()
    assert came == [signal.SIGINT]


def test_other_threads_take_no_signals():
    interrupts = Interrupts()
    failed = []

    def use():
        try:
            interrupts.begin()
            interrupts.end()
        except BaseException as err:
            failed.append(err)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not failed
    with contextlib.suppress(KeyboardInterrupt):
        interrupts.begin()
        interrupts.end(KeyboardInterrupt)
