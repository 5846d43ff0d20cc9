"""Which records of a source one of several solvers gets. Source: src/caffe/layers/data_layer.cpp, Skip."""

from __future__ import annotations


class Share:
    """The records k for which k % solver_count == solver_rank, in order.

    k counts records from the start of training and is not reset where the source starts again, so that with a size
    that solver_count does not divide each solver gets other records in each epoch.

    position: where the next ones are looked for.
    """

    def __init__(self, solver_rank: int, solver_count: int) -> None:
        self.position = 0
        self._rank, self._count = solver_rank, solver_count

    def take(self, number: int) -> range:
        """Return the positions of the next `number` records, passing over those of the other solvers."""
        first = self.position + (self._rank - self.position) % self._count
        self.position = first + (number - 1) * self._count + 1
        return range(first, self.position, self._count)
