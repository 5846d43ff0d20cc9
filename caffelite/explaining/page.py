"""The page's content put into its HTML, CSS and JavaScript, which are files of their own in web/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

# In the order in which they need each other.
SCRIPTS = (
    "store.js",
    "terms.js",
    "rules_windows.js",
    "rules_pooling.js",
    "rules_products.js",
    "rules_neurons.js",
    "rules_copies.js",
    "rules_normalization.js",
    "rules_losses.js",
    "rules_labels.js",
    "rules_recurrent.js",
    "elements.js",
    "colours.js",
    "painting.js",
    "maps.js",
    "overview.js",
    "matrices.js",
    "source_maps.js",
    "tables.js",
    "sums.js",
    "main.js",
)


def html_of(content: Mapping[str, Any], title: str, source: str) -> str:
    """Return the page: one HTML file that reads nothing else. `source` says in words what ran on what.

    Nothing in `content` or the texts, whatever characters it has, can end the element that it stands in.
    """
    folder = files("caffelite.explaining") / "web"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    parts = {
        "title": escape(title),
        "source": escape(source),
        "style": read("page.css"),
        "content": _in_script(json.dumps(content, allow_nan=False, separators=(",", ":"))),
        "script": "\n".join(map(read, SCRIPTS)),
    }
    page = read("page.html")
    pieces = []
    while page:
        before, _, rest = page.partition("{{")
        name, _, page = rest.partition("}}")
        pieces += [before, parts[name] if name else ""]
    return "".join(pieces)


def _in_script(text: str) -> str:
    """Return JSON that HTML does not read as the end of a script, or the beginning of a comment."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
