"""A confusion matrix as HTML: a table, or of many classes a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffelite.reports.metrics import Ints
from caffelite.reports.page import Html, as_html
from caffelite.reports.png import png_address

MOST_IN_TABLE = 30  # classes
LONGEST_HEAD = 12  # letters of a class's name above a column
STRONGEST = 0.85  # of the colour
PICTURE_PIXELS = 1000  # of a side, about
WEAKEST = 90  # alpha of a cell that is not 0
RIGHT, WRONG = (31, 119, 180), (214, 80, 40)


def confusion_html(confusion: Ints, names: Sequence[str]) -> Html:
    """Return the matrix as HTML; `names` has one for each class."""
    return _table(confusion, names) if len(confusion) <= MOST_IN_TABLE else _picture(confusion)


def strengths(confusion: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the share that each cell has of its row, which is 0 for a class that is no label."""
    shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = confusion / np.maximum(
        confusion.sum(axis=1, keepdims=True), 1
    )
    return shares


def _table(confusion: Ints, names: Sequence[str]) -> Html:
    shares = strengths(confusion)
    heads = "".join(f'<th title="{as_html(name)}">{as_html(shortened(name, LONGEST_HEAD))}</th>' for name in names)
    rows = []
    for label, name in enumerate(names):
        cells = []
        for predicted, times in enumerate(confusion[label]):
            # the root makes single mistakes among many right answers visible
            strength = STRONGEST * float(np.sqrt(shares[label, predicted]))
            colour = "right" if label == predicted else "wrong"
            look = f'style="background: rgba(var(--{colour}), {strength:.2f})"' if times else 'class="none"'
            title = f"{name} taken for {names[predicted]}" if label != predicted else f"{name}, right"
            cells.append(f'<td {look} title="{as_html(title)}">{times}</td>')
        rows.append(
            f'<tr><th title="{as_html(name)}">{as_html(shortened(name, LONGEST_HEAD))}</th>{"".join(cells)}</tr>'
        )
    return Html(
        '<div class="wide"><table class="confusion"><thead>'
        f"<tr><th>label \\ predicted</th>{heads}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"
    )


def _picture(confusion: Ints) -> Html:
    """Return a picture whose opaque pixels are the cells that are not 0."""
    strength = np.sqrt(strengths(confusion))
    pixels = np.zeros((*confusion.shape, 4), np.uint8)
    pixels[..., :3] = np.where(np.eye(len(confusion), dtype=bool)[..., None], RIGHT, WRONG)
    pixels[..., 3] = np.where(confusion > 0, WEAKEST + (255 - WEAKEST) * strength, 0)
    side = len(confusion) * max(1, PICTURE_PIXELS // len(confusion))
    return Html(
        f'<img style="width: {side}px; border: 1px solid var(--line)" alt="confusion matrix" '
        f'src="{png_address(pixels)}">'
    )


def shortened(name: str, longest: int) -> str:
    """Return a name of at most so many letters, the last one an ellipsis if it was cut."""
    return name if len(name) <= longest else f"{name[: longest - 1]}\u2026"
