"""Pages of templates, in which every text is escaped that is not HTML of ours."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from caffelite.core.errors import UsageError, printable
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.prototxt.suggest import any_of
from caffelite.core.weights.atomic import replacing

ENDINGS = (".html", ".htm")


class Html(str):
    """Text that is HTML already, from a template or a library that draws."""


def fill(template: str, **values: object) -> Html:
    """Return the template of this name with `$name` replaced by the values, escaped unless they are Html."""
    return Html(_template(template).substitute({name: as_html(value) for name, value in values.items()}))


def as_html(value: object) -> Html:
    """Return a value as HTML: text is escaped, control characters in it are made visible."""
    return value if isinstance(value, Html) else Html(escape(printable(str(value))))


def joined(parts: Iterable[Html], between: str = "\n") -> Html:
    """Return pieces of HTML one after the other."""
    return Html(between.join(parts))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], words: Sequence[int] = (0,)) -> Html:
    """Return a table; columns numbered in `words` hold words and begin at one place, the others numbers.

    Without `head` it has only rows.
    """

    def row(cells: Sequence[object], tag: str) -> str:
        marked = (f"<{tag}{' class=words' if i in words else ''}>{as_html(c)}</{tag}>" for i, c in enumerate(cells))
        return f"<tr>{''.join(marked)}</tr>"

    heads = f"<thead>{row(head, 'th')}</thead>\n" if head else ""
    body = "\n".join(row(cells, "td") for cells in rows)
    return Html(f'<div class="wide"><table>{heads}<tbody>\n{body}\n</tbody></table></div>')


def write_page(path: str | os.PathLike[str], title: str, subtitle: str, body: Html) -> None:
    """Write a page whole or not at all; WeightsError if the system refuses."""
    page = fill("page.html", style=Html(_template("style.css").template), title=title, subtitle=subtitle, body=body)
    with replacing(Path(path)) as file:
        file.write(page.encode(errors="backslashreplace"))


def check_path(path: str | os.PathLike[str], flag: str = "report") -> None:
    """Raise UsageError, which names the flag, unless a page can be written to `path`.

    Asked for are its ending, and a folder that is there.
    """
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        page = "a report's" if flag == "report" else "a page's"
        raise UsageError(f"--{flag}: {target}: {page} name ends in {any_of(ENDINGS)}")
    try:
        folder, file = kind_of(target.parent), kind_of(target)
    except UnreachableError as err:
        raise UsageError(f"--{flag}: {target}: {err}") from None
    if folder is not Kind.FOLDER:
        raise UsageError(f"--{flag}: {target}: there is no folder {target.parent}; make it first")
    if file not in (Kind.FILE, Kind.NOTHING):
        raise UsageError(f"--{flag}: {target} is {file.value}; give the name of a file")


@cache
def _template(name: str) -> Template:
    return Template((files("caffelite.reports") / "templates" / name).read_text(encoding="utf-8"))
