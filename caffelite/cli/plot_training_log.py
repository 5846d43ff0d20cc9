"""`caffelite plot_training_log`: training logs as a picture. Source: tools/extra/plot_training_log.py.example."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean, string
from caffelite.cli.options import OUT
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError


class Chart(NamedTuple):
    """One of Caffe's types of charts: what it shows, over seconds or iterations."""

    panel: str
    seconds: bool


CHARTS = {
    str(2 * number + seconds): Chart(panel, bool(seconds))
    for number, panel in enumerate(("test accuracy", "test loss", "learning rate", "train loss"))
    for seconds in (0, 1)
}
TYPE = string(
    "type",
    "",
    "One chart alone, by Caffe's number: 0 accuracy of tests, 2 their loss, 4 learning rate, 6 loss of training; 1, 3, "
    "5, 7 the same over seconds.",
    choices=CHARTS,
)
SECONDS = boolean("seconds", "Draw over the seconds since a log's first line, not over iterations.")
PICTURES = (".png", ".svg", ".pdf")
DEFAULT_NAME = "training.png"


@command(
    "plot_training_log",
    "draw loss, accuracy and learning rate of training logs",
    flags=(OUT, TYPE, SECONDS),
    positionals="LOG...",
    flag_help={OUT: f"The picture, {', '.join(PICTURES)}. Default: {DEFAULT_NAME}."},
)
def plot_training_log(arguments: Arguments) -> None:
    """Draw how trainings went, several runs in one picture: loss, accuracy and learning rate, each as far as logged.

    LOG is what `train` wrote to stderr, or a log of Caffe's. The words of Caffe's own script, TYPE PICTURE LOG..., do
    as well. For example:

      caffelite train --solver=solver.prototxt 2>&1 | tee train.log
      caffelite plot_training_log train.log --out train.svg
      caffelite plot_training_log 6 loss.png a.log b.log
    """
    from caffelite.pictures import require_matplotlib

    kind, out, logs = _words(arguments)
    require_matplotlib()
    from caffelite.core.solver_log import read_logs
    from caffelite.pictures.figure import check_path, save
    from caffelite.pictures.training import ALL_PANELS, show_training

    check_path(out)
    panels, seconds = ((CHARTS[kind].panel,), CHARTS[kind].seconds) if kind else (ALL_PANELS, False)
    save(show_training(read_logs(logs), panels, seconds or arguments[SECONDS]), out)
    write_stdout(out)


def _words(arguments: Arguments) -> tuple[str, str, list[str]]:
    """Return type, picture and logs, from flags or from words in the order of Caffe's script."""
    words = arguments.positionals
    by_type = words[0].isdecimal() and len(words) > 1
    if not (by_type and (Path(words[1]).suffix.lower() in PICTURES or not Path(words[0]).exists())):
        return arguments[TYPE], arguments[OUT] or DEFAULT_NAME, words
    kind, out, *logs = words
    if arguments[TYPE] or arguments[OUT]:
        raise UsageError(f"{kind} {out} are the type and the picture already; leave --type and --out away")
    if kind not in CHARTS:
        types = ", ".join(f"{name} {chart.panel}{' / seconds' * chart.seconds}" for name, chart in CHARTS.items())
        raise UsageError(f"there is no chart of type {kind}; the types are {types}")
    if not logs:
        raise UsageError(f"no log is given; write plot_training_log {kind} {out} LOG...")
    return kind, out, logs
