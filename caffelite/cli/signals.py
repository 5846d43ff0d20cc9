"""Ctrl-C ends a command and is answered at once; in training a solver asks for signals between iterations."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn

from caffelite.core.events import Action

ACTIONS = {"stop": Action.STOP, "snapshot": Action.SNAPSHOT, "none": Action.NONE}
INTERRUPTED = 130  # what shells show for a program ended by Ctrl-C
RAISED_AGAIN = 0.02  # seconds
LOCKING = ("__enter__", "__exit__")  # functions of threading.py that take a lock, or give it back
SLOW = 0.2  # seconds, after which Ctrl-C is answered though the program did not end

Say = Callable[[str], object]  # writes a line for who looks at the terminal


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, as Python's own handler of SIGINT, for a program that will end.

    Raise it soon, and not yet, where threading.py takes a lock or gives it back: nobody would give back what has just
    been taken, and the end of the program would wait for ever for the threads that need it.

    What was half made then, as LLVM's objects, may fail while it is taken apart; Python would write each as a traceback
    that it ignores.
    """
    sys.unraisablehook = _unraisable
    if frame and frame.f_code.co_name in LOCKING and frame.f_globals.get("__name__") == threading.__name__:
        _raise_soon()
    else:
        raise KeyboardInterrupt


def is_interrupted() -> bool:
    """Whether `raise_interrupt` has raised: what fails from then on failed because it was broken off."""
    return sys.unraisablehook is _unraisable


def _unraisable(ignored: Any) -> None:
    """Write nothing of what Python ignores; raise again, soon, an interrupt that it ignored.

    It does so where C called Python, as LLVM does when it has made an object, and in finalizers.
    """
    if ignored.exc_type is KeyboardInterrupt:
        _raise_soon()


def _raise_soon() -> None:
    signal.signal(signal.SIGALRM, raise_interrupt)
    signal.setitimer(signal.ITIMER_REAL, RAISED_AGAIN)


@contextlib.contextmanager
def ended_by_interrupts(say: Say) -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in the block, and a second one end the process at once.

    To be entered by the main thread of a program that ends behind the block: there Ctrl-C does what it does by default.
    A program that was started to ignore SIGINT, as nohup does, goes on to.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, raise_interrupt)
    answer = _EndOfProgram(say)
    try:
        with answered(answer):
            yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer.close()


class _EndOfProgram:
    """Answers the Ctrl-C that ends the program where the main thread is held up, and the next by ending the process."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._slow: threading.Timer | None = None

    def __call__(self, number: int) -> None:
        if number != signal.SIGINT:
            return
        if self._slow is not None:
            _end_process(self._say)
        self._slow = threading.Timer(SLOW, self._say, ["stopping; Ctrl-C again stops now"])
        self._slow.start()

    def close(self) -> None:
        """Say nothing more: the program ends."""
        if self._slow is not None:
            self._slow.cancel()


def _end_process(say: Say) -> NoReturn:
    """End the process whatever the main thread does, which may be in LLVM for a second."""
    say("stopped by Ctrl-C")
    os._exit(INTERRUPTED)


class SignalSource:
    """The action source of `caffelite train`; while it is entered, SIGINT, SIGHUP and SIGTERM have the effects given.

    Called, it returns what the newest signals ask for, SIGHUP's effect first, each once. A second SIGINT after one that
    stops raises KeyboardInterrupt where the program stands; a third ends the process at once.

    In processes that are forked meanwhile, by a Python layer for instance, signals do what they did before.

    stopped_by: the signal for which it has asked the solver to stop.
    """

    stopped_by: signal.Signals | None = None

    def __init__(self, sigint_effect: str, sighup_effect: str, sigterm_effect: str, say: Say) -> None:
        self._say = say
        self._announced = contextlib.ExitStack()
        self._effects = {
            signal.SIGHUP: ACTIONS[sighup_effect],
            signal.SIGINT: ACTIONS[sigint_effect],
            signal.SIGTERM: ACTIONS[sigterm_effect],
        }
        self._process = os.getpid()
        self._came: set[signal.Signals] = set()
        self._stopping = False
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> Action:
        """Return the action that is asked for now."""
        for number, effect in self._effects.items():
            if number in self._came:
                self._came.discard(number)
                if effect is Action.STOP:
                    self.stopped_by = number
                return effect
        return Action.NONE

    def __enter__(self) -> "SignalSource":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread take signals
            stopping = [number for number, effect in self._effects.items() if effect is Action.STOP]
            self._announced.enter_context(answered(_EndOfTraining(stopping, self._say)))
            self._before = {number: signal.signal(number, self._note) for number in self._effects}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._announced.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        came = signal.Signals(number)
        if os.getpid() != self._process:
            signal.signal(came, self._before[came])
            signal.raise_signal(came)
            return
        if came is signal.SIGINT and self._effects[came] is Action.STOP:
            if self._stopping:
                raise_interrupt(number, frame)
            self._stopping = True
        self._came.add(came)


class _EndOfTraining:
    """Answers each of these signals, which will end the training."""

    def __init__(self, stopping: list[signal.Signals], say: Say) -> None:
        self._stopping, self._say = stopping, say
        self._interrupts = 0

    def __call__(self, number: int) -> None:
        if number not in self._stopping:
            return
        if number != signal.SIGINT:
            self._say(f"{signal.Signals(number).name}: stopping after this iteration")
            return
        self._interrupts += 1
        if self._interrupts == 1:
            self._say("stopping after this iteration; Ctrl-C again stops now")
        elif self._interrupts == 2:
            self._say("stopping now, without a snapshot")
        else:
            _end_process(self._say)


@contextlib.contextmanager
def answered(answer: Callable[[int], object]) -> Iterator[None]:
    """Call `answer` at once with the number of each signal that has a handler; to be entered by the main thread.

    Python runs handlers between two of its own steps, and a kernel that is being compiled may keep it from there for
    seconds; so a thread waits for what Python's own handler in C writes to a socket.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=_answer, args=(reader, answer), name="caffelite-signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    _waiting.append(thread)
    try:
        yield
    finally:
        _waiting.remove(thread)
        signal.set_wakeup_fd(before)
        writer.close()
        thread.join()
        reader.close()


_waiting: list[threading.Thread] = []


def _leave_to_parent() -> None:
    """In a process that was forked: its signals are not the parent's."""
    if _waiting:
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_leave_to_parent)


def _answer(reader: socket.socket, answer: Callable[[int], object]) -> None:
    while received := reader.recv(64):
        for number in received:
            answer(number)
