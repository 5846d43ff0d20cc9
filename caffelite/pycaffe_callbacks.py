"""Functions of the user's that a net calls before and after each layer. Source: src/caffe/net.cpp."""

from __future__ import annotations

from collections.abc import Callable

from caffelite.core.errors import UnknownNameError
from caffelite.core.net.plan import Observer
from caffelite.core.prototxt.suggest import any_of, did_you_mean

Callback = Callable[[int], object]
EVENTS = ("before_forward", "after_forward", "before_backward", "after_backward")


class Callbacks(Observer):
    """Calls functions of the user's with the number of each layer, in the order in which they were added."""

    def __init__(self) -> None:
        self._by_event: dict[str, list[Callback]] = {event: [] for event in EVENTS}

    def add(self, event: str, callback: Callback) -> None:
        """Call `callback(layer_index)` at each of these events; UnknownNameError, TypeError for what is none."""
        if event not in EVENTS:
            hint = did_you_mean(event, EVENTS) or f"; use {any_of(EVENTS)}"
            raise UnknownNameError(f'no event "{event}"{hint}')
        if not callable(callback):
            raise TypeError(f"{event} takes a function of the layer's number, not {callback!r}")
        self._by_event[event].append(callback)

    def before_forward(self, index: int) -> None:
        """Call those for this event."""
        self._call("before_forward", index)

    def after_forward(self, index: int) -> None:
        """Call those for this event."""
        self._call("after_forward", index)

    def before_backward(self, index: int) -> None:
        """Call those for this event."""
        self._call("before_backward", index)

    def after_backward(self, index: int) -> None:
        """Call those for this event."""
        self._call("after_backward", index)

    def _call(self, event: str, index: int) -> None:
        for callback in self._by_event[event]:
            callback(index)
