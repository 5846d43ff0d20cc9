"""What two nets make of the same input, blob by blob."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from caffelite.comparing.arrays import Difference, difference
from caffelite.core.tables import by
from caffelite.pycaffe import Net


class BlobRow(NamedTuple):
    """A blob of both nets: its name, its shape or both, and how its values differ; None if the shapes do."""

    blob: str
    shape: str
    figures: Difference | None

    @property
    def same(self) -> bool:
        """Whether the blobs are equal."""
        return self.figures is not None and not self.figures.differing


def activation_differences(first: Net, second: Net, tolerance: float = 0.0) -> Iterator[BlobRow]:
    """Yield a row for each blob that both nets have, in the order of the first, up to the first one that differs.

    The nets have run forward; a blob that layers work on in place is compared as the last of them left it.
    """
    for name in _written_tops(first):
        if name not in second.blobs:
            continue
        ours, theirs = first.blobs[name].data, second.blobs[name].data
        if ours.shape != theirs.shape:
            yield BlobRow(name, f"{by(ours.shape)} | {by(theirs.shape)}", None)
            return
        row = BlobRow(name, by(ours.shape), difference(ours, theirs, tolerance))
        yield row
        if not row.same:
            return


def _written_tops(net: Net) -> list[str]:
    """Return the names of the blobs that the file has: not those of inserted Splits."""
    return list(dict.fromkeys(name for node in net.graph().nodes for name in node.tops))
