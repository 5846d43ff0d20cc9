"""Says in the log of a training whether it waited for data, and how many records were left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from caffelite.core import events
from caffelite.core.layers.shared.prefetching import PrefetchingLayer
from caffelite.core.net.reading import seconds_for_first, seconds_waited, skipped_texts, waiting_text

log = logging.getLogger("caffelite")

MUCH = 0.1  # share of the time between two displayed iterations, from which on a line says so
AT_ONCE = 1.0  # seconds between two such lines


class ReadingLog:
    """A listener with lines of its own, behind those that Caffe prints; tests count as a part of the training.

    text: what was said at the end of waiting, "" for nothing.
    """

    def __init__(self, layers: Sequence[PrefetchingLayer]) -> None:
        self._layers = layers
        self._start = self._shown = (time.perf_counter(), 0.0)
        self.text = ""

    def __call__(self, event: events.Event) -> None:
        """Take up one event."""
        if isinstance(event, events.SolvingStarted):
            self._start = self._shown = self._now()
        elif isinstance(event, events.IterationDisplayed):
            self._show()
        elif isinstance(event, events.OptimizationDone | events.OptimizationStopped):
            self._sum_up()

    def _now(self) -> tuple[float, float]:
        """Return the time, which stands still while first batches are waited for, and how long others were."""
        return time.perf_counter() - seconds_for_first(self._layers), seconds_waited(self._layers)

    def _show(self) -> None:
        now = self._now()
        seconds, waited = now[0] - self._shown[0], now[1] - self._shown[1]
        if seconds < AT_ONCE:
            return
        much, text = waited >= MUCH * seconds, waiting_text(waited, seconds)
        if much and text:
            log.info("    %s", text)
        if text or not much:  # else it adds up until it is worth a line
            self._shown = now

    def _sum_up(self) -> None:
        now = self._now()
        self.text = waiting_text(now[1] - self._start[1], now[0] - self._start[0])
        if self.text:
            log.info("%s: reading, decoding and transforming were slower than the net (--data_workers)", self.text)
        for text in skipped_texts(self._layers):
            log.warning("%s", text)
