"""How trainings went: loss, accuracy and learning rate over the iterations, several runs in one picture."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.solver_log import LogRow, TrainingLog
from caffelite.pictures.figure import Picture

LOG_SCALE_FROM = 20.0  # the largest loss over the smallest, from which the scale is logarithmic
ACCURACY = re.compile(r"acc|top-?\d", re.IGNORECASE)
SEVERAL_TESTS = ("-", "--", ":", "-.")  # lines of test curves, by their number


class Curve(NamedTuple):
    """One line of a panel: what it is called and its points; seconds are None where the log has no times."""

    label: str
    iters: list[int]
    values: list[float]
    is_test: bool
    seconds: list[float | None]

    def along(self, seconds: bool) -> list[float]:
        """Return where the points are along the axis of seconds, or of iterations; nan without a time."""
        if not seconds:
            return [float(number) for number in self.iters]
        return [math.nan if second is None else second for second in self.seconds]


ALL_PANELS = ("loss", "accuracy", "learning rate")
CurvesOf = Callable[[TrainingLog], list[Curve]]
Figures = Callable[[LogRow], dict[str, float]]  # what a panel shows of a row, by name


def show_training(
    runs: Mapping[str, TrainingLog], panels: Sequence[str] = ALL_PANELS, seconds: bool = False
) -> Picture:
    """Return a picture of runs by their names: a panel each for loss, accuracy and learning rate, as far as logged.

    `panels` are names in PANELS; `seconds`: over the time since the log's first line, and not the iterations. Training
    is a thin line, tests are points joined by a stronger one. Where a run went on from an earlier snapshot, what it did
    a second time takes the place of the first. Raises UsageError if there is nothing to draw.
    """
    drawn = [(title, {name: PANELS[title](run) for name, run in runs.items()}) for title in panels]
    drawn = [(title, curves) for title, curves in drawn if any(curves.values())]
    if not drawn:
        raise UsageError(f"there is no {any_of(panels)} to draw; train with display: 100 or so")
    if seconds:
        _require_times(drawn)
    heights = [1 if title == "learning rate" and len(drawn) > 1 else 2 for title, _ in drawn]
    figure = Picture(7.5, 0.6 + 1.15 * sum(heights) + (1.2 if len(drawn) == 1 else 0))
    grid = figure.subplots(len(drawn), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes, (title, curves) in zip(grid[:, 0], drawn, strict=True):
        _draw(axes, title, curves, seconds)
    grid[-1, 0].set_xlabel("seconds" if seconds else "iteration", fontsize=9)
    return figure


def _require_times(drawn: Iterable[tuple[str, Mapping[str, list[Curve]]]]) -> None:
    for _, curves_by_run in drawn:
        for name, curves in curves_by_run.items():
            if any(None in curve.seconds for curve in curves):
                raise UsageError(f"the log {name} has no times, at least not everywhere; draw it over the iterations")


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


def _tests_only(curves_of: CurvesOf, is_test: bool) -> CurvesOf:
    return lambda run: [curve for curve in curves_of(run) if curve.is_test == is_test]


PANELS: dict[str, CurvesOf] = {
    "loss": losses,
    "accuracy": accuracies,
    "learning rate": rates,
    "train loss": _tests_only(losses, False),
    "test loss": _tests_only(losses, True),
    "test accuracy": _tests_only(accuracies, True),
}


def _test_curves(run: TrainingLog, figures: Figures) -> list[Curve]:
    prefix = "test " if len(run.tests) == 1 else "test #{} "
    return [
        curve
        for index, rows in sorted(run.tests.items())
        for curve in _curves(rows, figures, prefix.format(index), True)
    ]


def _curves(rows: Iterable[LogRow], figures: Figures, prefix: str, is_test: bool) -> list[Curve]:
    """Return a curve for each name that `figures` finds in the rows; of equal iterations the last row counts."""
    found: dict[str, dict[int, tuple[float, float | None]]] = {}
    for row in rows:
        for points in found.values():  # a run that went on from a snapshot
            for later in [number for number in points if number > row.iter]:
                del points[later]
        for name, value in figures(row).items():
            found.setdefault(name, {})[row.iter] = value, row.seconds
    return [
        Curve(
            prefix + name,
            list(points),
            [value for value, _ in points.values()],
            is_test,
            [s for _, s in points.values()],
        )
        for name, points in found.items()
    ]


def _draw(axes: Axes, title: str, curves_by_run: Mapping[str, list[Curve]], seconds: bool) -> None:
    several = len(curves_by_run) > 1
    for number, (run, curves) in enumerate(curves_by_run.items()):
        tests = 0
        for curve in curves:
            label = f"{run}: {curve.label}" if several else curve.label
            colour = f"C{number % 10}" if several or not curve.is_test else "C1"
            if curve.is_test:
                style = SEVERAL_TESTS[tests % len(SEVERAL_TESTS)]
                axes.plot(
                    curve.along(seconds), curve.values, style, color=colour, marker="o", markersize=3, label=label
                )
                tests += 1
            else:
                few = "." if len(curve.iters) < 3 else ""
                axes.plot(
                    curve.along(seconds), curve.values, color=colour, linewidth=0.9, alpha=0.65, marker=few, label=label
                )
    _scale(axes, title, [value for curves in curves_by_run.values() for curve in curves for value in curve.values])
    axes.set_ylabel(title, fontsize=9)
    axes.grid(True, linewidth=0.4, color="lightgray")
    axes.tick_params(which="both", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if title != "learning rate" or several:
        axes.legend(fontsize=7, frameon=False)


def _scale(axes: Axes, title: str, values: list[float]) -> None:
    """Choose the scale; a loss that became infinite or nan is no reason to show nothing."""
    finite = np.array(values)[np.isfinite(values)]
    if not finite.size:
        axes.text(0.5, 0.5, "all values are nan or infinite", transform=axes.transAxes, ha="center")
    elif title.endswith("loss") and finite.min() > 0 and finite.max() > LOG_SCALE_FROM * finite.min():
        axes.set_yscale("log")
    elif title.endswith("accuracy"):
        axes.set_ylim(min(0.0, finite.min()), max(1.0, finite.max()) * 1.02)
    elif title == "learning rate":
        axes.set_ylim(0, finite.max() * 1.15 or 1.0)
