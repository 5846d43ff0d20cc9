"""The reliability of confidences as a diagram and a table."""

from __future__ import annotations

from caffelite.reports.metrics import Reliability
from caffelite.reports.page import Html, table

SIDE, LEFT, TOP = 260, 40, 10  # of the diagram's square, in pixels
COUNTS_HIGH = 60


def calibration_html(found: Reliability) -> Html:
    """Return diagram and table beside each other."""
    bins = len(found.counts)
    rows = [
        (
            f"{number / bins:.2f} - {(number + 1) / bins:.2f}",
            f"{count:,}",
            f"{found.confidence[number]:.3f}",
            f"{found.accuracy[number]:.3f}",
            f"{found.accuracy[number] - found.confidence[number]:+.3f}",
        )
        for number, count in enumerate(found.counts)
        if count
    ]
    figures = table(("confidence", "items", "mean confidence", "accuracy", "difference"), rows)
    return Html(f'<div class="beside">{_diagram(found)}{figures}</div>')


def _diagram(found: Reliability) -> str:
    bins, bottom = len(found.counts), TOP + SIDE
    width = SIDE / bins
    parts = []
    most = max(int(found.counts.max()), 1)
    counts_bottom = bottom + 14 + COUNTS_HIGH
    for number, count in enumerate(found.counts):
        if not count:
            continue
        x, accuracy, confidence = LEFT + number * width, found.accuracy[number], found.confidence[number]
        low, high = sorted((accuracy, confidence))
        parts.append(_rect("bar", x, bottom - accuracy * SIDE, width, accuracy * SIDE))
        parts.append(_rect("gap", x, bottom - high * SIDE, width, (high - low) * SIDE))
        tall = COUNTS_HIGH * count / most
        parts.append(_rect("bar", x, counts_bottom - tall, width, tall))
    for value in (0, 0.5, 1):
        y, x = bottom - value * SIDE, LEFT + value * SIDE
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT + SIDE}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
        parts.append(f'<text x="{x}" y="{counts_bottom + 14}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<line class="ideal" x1="{LEFT}" y1="{bottom}" x2="{LEFT + SIDE}" y2="{TOP}"/>')
    line = f'<line class="axis" x1="{LEFT}" x2="{LEFT + SIDE}" y1="{counts_bottom}" y2="{counts_bottom}"/>'
    middle = LEFT + SIDE / 2
    words = (
        f'<text x="{middle}" y="{counts_bottom + 30}" text-anchor="middle">confidence</text>'
        f"{_upright(TOP + SIDE / 2, 'accuracy')}{_upright(counts_bottom - COUNTS_HIGH / 2, 'items')}"
    )
    size = f'width="{LEFT + SIDE + 12}" height="{counts_bottom + 36}"'
    return f'<svg class="plot" role="img" aria-label="reliability diagram" {size}>{"".join(parts)}{line}{words}</svg>'


def _upright(y: float, word: str) -> str:
    return f'<text transform="translate(11 {y}) rotate(-90)" text-anchor="middle">{word}</text>'


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x + 0.5:.1f}" y="{y:.1f}" width="{width - 1:.1f}" height="{height:.1f}"/>'
