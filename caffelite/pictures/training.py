"""How trainings went: loss, accuracy and learning rate over the iterations, several runs in one picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from caffelite.core.errors import UsageError
from caffelite.core.solver_log import LogRow, TrainingLog
from caffelite.pictures.figure import Picture

LOG_SCALE_FROM = 20.0  # the largest loss over the smallest, from which the scale is logarithmic
ACCURACY = re.compile(r"acc|top-?\d", re.IGNORECASE)
SEVERAL_TESTS = ("-", "--", ":", "-.")  # lines of test curves, by their number


class Curve(NamedTuple):
    """One line of a panel: what it is called and its points."""

    label: str
    iters: list[int]
    values: list[float]
    is_test: bool


Figures = Callable[[LogRow], dict[str, float]]  # what a panel shows of a row, by name


def show_training(runs: Mapping[str, TrainingLog]) -> Picture:
    """Return a picture of runs by their names: a panel each for loss, accuracy and learning rate, as far as logged.

    Training is a thin line, tests are points joined by a stronger one. Where a run went on from an earlier snapshot,
    what it did a second time takes the place of the first. Raises UsageError if there is nothing to draw.
    """
    panels = [
        (title, {name: curves_of(run) for name, run in runs.items()})
        for title, curves_of in (("loss", losses), ("accuracy", accuracies), ("learning rate", rates))
    ]
    panels = [(title, curves) for title, curves in panels if any(curves.values())]
    if not panels:
        raise UsageError("there is no loss, accuracy or learning rate to draw; train with display: 100 or so")
    heights = [1 if title == "learning rate" else 2 for title, _ in panels]
    figure = Picture(7.5, 0.6 + 1.15 * sum(heights))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes, (title, curves) in zip(grid[:, 0], panels, strict=True):
        _draw(axes, title, curves)
    grid[-1, 0].set_xlabel("iteration", fontsize=9)
    return figure


def losses(run: TrainingLog) -> list[Curve]:
    """Return the smoothed loss of training and the losses of the tests."""

    def of_test(row: LogRow) -> dict[str, float]:
        shown = {name: value for name, value in row.outputs.items() if name in run.loss_names}
        return {"loss": row.loss} if row.loss is not None else shown

    train = _curves(run.train, lambda row: {} if row.loss is None else {"loss": row.loss}, "train ", False)
    return train + _test_curves(run, of_test)


def accuracies(run: TrainingLog) -> list[Curve]:
    """Return the outputs that are called accuracy, acc, top-1 and the like, of tests and of training."""

    def chosen(row: LogRow) -> dict[str, float]:
        return {name: value for name, value in row.outputs.items() if ACCURACY.search(name.split("/")[-1])}

    return _curves(run.train, chosen, "train ", False) + _test_curves(run, chosen)


def rates(run: TrainingLog) -> list[Curve]:
    """Return the learning rate of the displayed iterations."""
    return _curves(run.train, lambda row: {} if row.lr is None else {"learning rate": row.lr}, "", False)


def _test_curves(run: TrainingLog, figures: Figures) -> list[Curve]:
    prefix = "test " if len(run.tests) == 1 else "test #{} "
    return [
        curve
        for index, rows in sorted(run.tests.items())
        for curve in _curves(rows, figures, prefix.format(index), True)
    ]


def _curves(rows: Iterable[LogRow], figures: Figures, prefix: str, is_test: bool) -> list[Curve]:
    """Return a curve for each name that `figures` finds in the rows; of equal iterations the last row counts."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        for points in found.values():  # a run that went on from a snapshot
            for later in [number for number in points if number > row.iter]:
                del points[later]
        for name, value in figures(row).items():
            found.setdefault(name, {})[row.iter] = value
    return [Curve(prefix + name, list(points), list(points.values()), is_test) for name, points in found.items()]


def _draw(axes: Axes, title: str, curves_by_run: Mapping[str, list[Curve]]) -> None:
    several = len(curves_by_run) > 1
    for number, (run, curves) in enumerate(curves_by_run.items()):
        tests = 0
        for curve in curves:
            label = f"{run}: {curve.label}" if several else curve.label
            colour = f"C{number % 10}" if several or not curve.is_test else "C1"
            if curve.is_test:
                style = SEVERAL_TESTS[tests % len(SEVERAL_TESTS)]
                axes.plot(curve.iters, curve.values, style, color=colour, marker="o", markersize=3, label=label)
                tests += 1
            else:
                few = "." if len(curve.iters) < 3 else ""
                axes.plot(curve.iters, curve.values, color=colour, linewidth=0.9, alpha=0.65, marker=few, label=label)
    _scale(axes, title, [value for curves in curves_by_run.values() for curve in curves for value in curve.values])
    axes.set_ylabel(title, fontsize=9)
    axes.grid(True, linewidth=0.4, color="lightgray")
    axes.tick_params(which="both", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if title != "learning rate":
        axes.legend(fontsize=7, frameon=False)


def _scale(axes: Axes, title: str, values: list[float]) -> None:
    """Choose the scale; a loss that became infinite or nan is no reason to show nothing."""
    finite = np.array(values)[np.isfinite(values)]
    if not finite.size:
        axes.text(0.5, 0.5, "all values are nan or infinite", transform=axes.transAxes, ha="center")
    elif title == "loss" and finite.min() > 0 and finite.max() > LOG_SCALE_FROM * finite.min():
        axes.set_yscale("log")
    elif title == "accuracy":
        axes.set_ylim(min(0.0, finite.min()), max(1.0, finite.max()) * 1.02)
    elif title == "learning rate":
        axes.set_ylim(0, finite.max() * 1.15 or 1.0)
