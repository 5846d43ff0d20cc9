"""Ctrl-C, hangup and SIGTERM in training: the handlers only take note, and the solver asks between iterations."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from caffelite.core.events import Action

ACTIONS = {"stop": Action.STOP, "snapshot": Action.SNAPSHOT, "none": Action.NONE}


class SignalSource:
    """The action source of `caffelite train`; while it is entered, SIGINT, SIGHUP and SIGTERM have the effects given.

    Called, it returns what the newest signals ask for, SIGHUP's effect first, each once. A second SIGINT after one that
    stops raises KeyboardInterrupt where the program stands; a third ends the process as SIGINT does by default.

    In processes that are forked meanwhile, by a Python layer for instance, signals do what they did before.
    """

    def __init__(self, sigint_effect: str, sighup_effect: str, sigterm_effect: str) -> None:
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
                return effect
        return Action.NONE

    def __enter__(self) -> "SignalSource":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread take signals
            self._before = {number: signal.signal(number, self._note) for number in self._effects}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        came = signal.Signals(number)
        if os.getpid() != self._process:
            signal.signal(came, self._before[came])
            signal.raise_signal(came)
            return
        if came is signal.SIGINT and self._effects[came] is Action.STOP:
            if self._stopping:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                raise KeyboardInterrupt
            self._stopping = True
        self._came.add(came)
