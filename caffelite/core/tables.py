"""Tables as text and as HTML, for notebooks, and the words for shapes and sizes that stand in them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from caffelite.core.errors import printable

Row = Sequence[str]


def by(shape: Sequence[int]) -> str:
    """Return a shape as people read it, `20 x 576`; a scalar as "scalar"."""
    return " x ".join(map(str, shape)) if shape else "scalar"


def thousands(number: int) -> str:
    """Return a whole number with commas, `60,965,224`."""
    return f"{number:,}"


def aligned(rows: Sequence[Row], right: Sequence[int] = (), indent: str = "") -> list[str]:
    """Return rows as lines with their columns below each other; those numbered in `right` end at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (
            indent
            + "  ".join(
                cell.rjust(width) if place in right else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def html_table(rows: Sequence[Row], right: Sequence[int] = (), caption: str = "", below: Sequence[str] = ()) -> str:
    """Return an HTML table, its first row the head, with a line above and lines below; all texts are escaped."""
    head, *body = rows
    lines = ["<table>", f"<caption>{_shown(caption)}</caption>" if caption else ""]
    lines += ["<thead>", _html_row(head, right, "th"), "</thead>", "<tbody>"]
    lines += [_html_row(row, right, "td") for row in body]
    lines += ["</tbody>", "</table>", "<br>".join(map(_shown, below))]
    return "\n".join(filter(None, lines))


def _html_row(row: Row, right: Sequence[int], tag: str) -> str:
    cells = (
        f'<{tag} style="text-align: {"right" if place in right else "left"}">{_shown(cell)}</{tag}>'
        for place, cell in enumerate(row)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _shown(text: str) -> str:
    r"""Return text for HTML; what is no character there, as names in a file may hold, becomes an escape (`\x1b`)."""
    return escape(printable(text))
