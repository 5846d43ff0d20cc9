"""A range test of the learning rate: the loss over the rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffelite.pictures.figure import Picture


def show_lr_range(
    lrs: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggested: float | None
) -> Picture:
    """Return a picture of losses, as they were and smoothed, over the rates, on a logarithmic axis.

    `suggested` is drawn as a line, None is not. The scale of the losses ends a little above the first one and the
    smoothed ones: a loss that explodes leaves the picture.
    """
    figure = Picture(7.5, 4.0)
    axes = figure.subplots()
    axes.plot(lrs, losses, ".", color="C0", markersize=3, alpha=0.5, label="loss")
    axes.plot(lrs, smoothed, color="C0", linewidth=1.6, label="smoothed")
    if suggested is not None:
        axes.axvline(suggested, color="C1", linewidth=1.2, linestyle="--", label=f"suggested: {suggested:.2g}")
    low, high = _range(losses, smoothed)
    axes.set_ylim(low, high)
    axes.set_xlim(lrs[0] / 1.3, lrs[-1] * 1.3)  # also where no loss is a number
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", fontsize=9)
    axes.set_ylabel("loss", fontsize=9)
    axes.grid(True, linewidth=0.4, color="lightgray")
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _range(losses: Sequence[float], smoothed: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis of losses."""
    finite = np.array([*losses, *smoothed])[np.isfinite([*losses, *smoothed])]
    low = float(finite.min()) if finite.size else 0.0
    tops = [low, *losses[:1], *smoothed[:-1]]  # the last one may have exploded, which ended the test
    top = max(value for value in tops if np.isfinite(value))
    room = (top - low) / 3 or abs(low) / 10 or 1.0
    return low - room / 3, top + room
