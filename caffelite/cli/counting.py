"""One live line on a terminal for work that is counted: how much of it is done, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from caffelite.cli import glog, streams, waiting

REDRAW = 0.125  # seconds


@contextmanager
def counting(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that draws `done, all` of the work, if log lines go to a terminal; they are printed above it.

    `unit` is what is counted, e.g. "images".
    """
    screen = glog.screen()
    if screen is None or not streams.stderr_is_terminal():
        yield lambda done, all: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    console = Console(stderr=True)
    columns = BarColumn(bar_width=24), TextColumn("{task.completed}/{task.total} {task.description}")
    progress = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        redirect_stderr=True,
    )
    task = progress.add_task(unit, total=0)
    drawn = 0.0

    def draw(done: int, all: int) -> None:
        nonlocal drawn
        if done == all or time.perf_counter() - drawn >= REDRAW:
            drawn = time.perf_counter()
            progress.update(task, completed=done, total=all)
            with streams.stderr_may_fail():
                progress.refresh()

    def write(text: str) -> None:
        with streams.stderr_may_fail():
            console.print(Text(text), soft_wrap=True)

    before, screen.write = screen.write, write
    with streams.stderr_may_fail():
        progress.start()
    try:
        with waiting.suspended():
            yield draw
    finally:
        with streams.stderr_may_fail():
            progress.stop()
        screen.write = before
