"""Ctrl-C, hangup and SIGTERM in training: the handlers only take note, and the solver asks between iterations."""

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


Say = Callable[[str], object]  # writes a line for who looks at the terminal


def raise_interrupt(number: int = signal.SIGINT, frame: FrameType | None = None) -> NoReturn:
    """Raise KeyboardInterrupt, as Python's own handler of SIGINT, for a program that will end.

    What was half made then, as LLVM's objects, may fail while it is taken apart; Python would write each as a traceback
    that it ignores.
    """
    sys.unraisablehook = _write_nothing
    raise KeyboardInterrupt


def _write_nothing(unraisable: object) -> None:
    """Write nothing."""


class SignalSource:
    """The action source of `caffelite train`; while it is entered, SIGINT, SIGHUP and SIGTERM have the effects given.

    Called, it returns what the newest signals ask for, SIGHUP's effect first, each once. A second SIGINT after one that
    stops raises KeyboardInterrupt where the program stands; a third ends the process as SIGINT does by default.

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
            self._announced.enter_context(announced(stopping, self._say))
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
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                raise_interrupt()
            self._stopping = True
        self._came.add(came)


@contextlib.contextmanager
def announced(stopping: list[signal.Signals], say: Say) -> Iterator[None]:
    """Answer at once each of these signals, which will end the training; to be entered by the main thread.

    Python runs handlers between two of its own steps, and a kernel that is being compiled may keep it from there for
    seconds; so a thread waits for what Python's own handler in C writes to a socket.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=_answer, args=(reader, stopping, say), name="caffelite-signals", daemon=True)
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


def _answer(reader: socket.socket, stopping: list[signal.Signals], say: Say) -> None:
    seen = 0
    while received := reader.recv(64):
        for number in received:
            if number not in stopping:
                continue
            if number != signal.SIGINT:
                say(f"{signal.Signals(number).name}: stopping after this iteration")
            elif seen == 0:
                say("stopping after this iteration; Ctrl-C again stops now")
                seen += 1
            else:
                say("stopping now, without a snapshot")
