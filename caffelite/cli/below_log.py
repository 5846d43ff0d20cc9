"""A line that is drawn below the log on a terminal, by rich; log lines and what others print come above it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from caffelite.cli import glog, streams, waiting

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

REDRAW = 0.125  # seconds: an eighth is smooth enough, and the terminal costs no training time


def is_drawn() -> bool:
    """Whether log lines go to a terminal."""
    return glog.screen() is not None and streams.stderr_is_terminal()


@contextmanager
def drawn(progress: Progress) -> Iterator[None]:
    """Draw what `new_progress` made, which somebody refreshes, while the block runs; to be asked is `is_drawn`."""
    from rich.text import Text

    screen = glog.screen()
    assert screen is not None

    def write(text: str) -> None:
        with streams.stderr_may_fail():
            # rich moves the line down for what it prints itself; soft_wrap: log lines stay whole, however long
            progress.console.print(Text(text), soft_wrap=True)

    before, screen.write = screen.write, write
    with streams.stderr_may_fail():
        progress.start()
        progress.console.show_cursor(True)  # rich hides it, and who is killed cannot show it again
    try:
        with waiting.suspended():
            yield
    finally:
        with streams.stderr_may_fail():
            progress.stop()
        screen.write = before


def new_progress(*columns: ProgressColumn) -> Progress:
    """Return rich's progress of a bar and these columns."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress

    return Progress(
        BarColumn(bar_width=24),
        *columns,
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # what a Python layer prints comes above, too
        redirect_stderr=True,
    )
