"""One live line on a terminal for work that is counted: how much of it is done, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from caffelite.cli import below_log, streams
from caffelite.core.kernels.jit.progress import Report, watch


@contextmanager
def counting(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that draws `done, all` of the work, if log lines go to a terminal; they are printed above it.

    `unit` is what is counted, e.g. "images". The line also says when kernels are compiled.
    """
    if not below_log.is_drawn():
        yield lambda done, all: None
        return
    from rich.progress import TextColumn, TimeRemainingColumn

    progress = below_log.new_progress(TextColumn("{task.description}", markup=False), TimeRemainingColumn())
    counted = f"0 {unit}"
    task = progress.add_task(counted, total=None)
    drawn = 0.0

    def refresh(**fields: Any) -> None:
        progress.update(task, **fields)
        with streams.stderr_may_fail():
            progress.refresh()

    def draw(done: int, all: int) -> None:
        nonlocal drawn, counted
        if done == all or time.perf_counter() - drawn >= below_log.REDRAW:
            drawn = time.perf_counter()
            counted = f"{done}/{all} {unit}"
            refresh(description=counted, completed=done, total=all)

    def show_compiling(report: Report) -> None:
        refresh(description=counted if report.done else str(report))

    before, watch.show = watch.show, show_compiling
    try:
        with below_log.drawn(progress):
            yield draw
    finally:
        watch.show = before
