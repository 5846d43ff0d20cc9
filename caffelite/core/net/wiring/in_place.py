"""Where an in-place layer would overwrite values that somebody still needs, and who copies so that it cannot.

A layer that works in place writes over its bottom. That bottom may be a view of other memory (the top of a Flatten), it
may be memory that nobody fills again (a parameter, the user's array), and its old values may be what the gradient of
the layer below is computed from (Sigmoid). Caffe looks at none of this. Here each such case is found once, when the
net is built, and the producer of the values keeps a copy:

    Input a -> Flatten f; Power in place on f; Power a -> q     Flatten's top gets memory of its own: a stays as it is
    Sigmoid s; Power in place on s; EuclideanLoss s             Sigmoid keeps a copy of s for its gradient

A net without such cases copies nothing. A layer that works in place on an input which the user fills writes over what
the user filled in, as in Caffe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from math import inf

from caffelite.core.layer import TopMemory

Top = tuple[int, int]  # (layer, index among its tops): the values that it makes


@dataclass(frozen=True)
class LayerMemory:
    """What has to be known of one layer.

    bottom_ids, top_ids: blob numbers; an in-place top has the number of the bottom of the same index.
    tops: the memory of each top.
    gradient_reads_bottoms, gradient_reads_tops: indices of blobs whose data the backward pass reads; empty if no
        backward pass runs the layer. For a bottom that it works in place on a layer keeps what it needs by itself.
    """

    bottom_ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    tops: tuple[TopMemory, ...]
    gradient_reads_bottoms: tuple[int, ...] = ()
    gradient_reads_tops: tuple[int, ...] = ()

    def works_in_place_on(self, bottom_index: int) -> bool:
        """Whether the top of this index is the bottom."""
        return self.top_ids[bottom_index : bottom_index + 1] == self.bottom_ids[bottom_index : bottom_index + 1]


@dataclass(frozen=True)
class Copies:
    """For each layer the indices of tops that get memory of their own, and of those kept for the layer's gradient."""

    own: tuple[tuple[int, ...], ...]
    kept: tuple[tuple[int, ...], ...]


def in_place_copies(layers: Sequence[LayerMemory]) -> Copies:
    """Return the copies without which an in-place layer would spoil a value, a gradient or memory of others."""
    own: set[Top] = set()
    kept: set[Top] = set()
    while True:
        found_own, found_kept = _conflicts(layers, own)
        kept |= found_kept
        if found_own <= own:
            return Copies(_by_layer(own, len(layers)), _by_layer(kept, len(layers)))
        own |= found_own


def _by_layer(tops: set[Top], count: int) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[] for _ in range(count)]
    for layer, top in sorted(tops):
        found[layer].append(top)
    return tuple(map(tuple, found))


@dataclass
class _Values:
    """Everything that layers compute, one entry a top; an in-place top is a value of its own in the same memory.

    roots: the value whose memory it is in. views: the last top on the way from there that is a view of its bottom.
    makers: the layer it is the top of (its key's first number). readers: (layer, bottom index) of each reader.
    writers: for each root the layers that work in place in its memory, (layer, the value that it works on) each.
    """

    roots: dict[Top, Top] = field(default_factory=dict)
    views: dict[Top, Top | None] = field(default_factory=dict)
    readers: dict[Top, list[tuple[int, int]]] = field(default_factory=dict)
    writers: dict[Top, list[tuple[int, Top]]] = field(default_factory=dict)


def _follow(layers: Sequence[LayerMemory], own: set[Top]) -> _Values:
    """Trace which value is in which memory, `own` being the tops that have been given memory of their own."""
    values, current = _Values(), dict[int, Top]()
    for index, layer in enumerate(layers):
        bottoms = [current[blob_id] for blob_id in layer.bottom_ids]
        for bottom_index, value in enumerate(bottoms):
            values.readers[value].append((index, bottom_index))
        for top_index, blob_id in enumerate(layer.top_ids):
            top = (index, top_index)
            values.readers[top] = []
            values.roots[top], values.views[top] = top, None
            if layer.works_in_place_on(top_index):
                below = bottoms[top_index]
                values.writers.setdefault(values.roots[below], []).append((index, below))
                values.roots[top], values.views[top] = values.roots[below], values.views[below]
            elif layer.tops[top_index] is TopMemory.BOTTOM and top not in own:
                values.roots[top], values.views[top] = values.roots[bottoms[0]], top
            current[blob_id] = top
    return values


def _conflicts(layers: Sequence[LayerMemory], own: set[Top]) -> tuple[set[Top], set[Top]]:
    """Return the tops that need memory of their own, and those that their maker's gradient needs a copy of.

    What follows for a value from the layers that write over its memory is found from the last of them, or from the two
    values that are read last: going through all pairs took seconds for a thousand in-place layers in a row.
    """
    values = _follow(layers, own)
    found_own: set[Top] = set()
    found_kept: set[Top] = set()
    for root, members in _by_root(values).items():
        writers = values.writers.get(root, [])
        last = {values.views[target]: writer for writer, target in writers}  # of each view
        memory = TopMemory.OWN if root in own else layers[root[0]].tops[root[1]]
        if memory is TopMemory.KEPT:
            found_own.update(view or root for view in last)
        elif memory is TopMemory.USER:
            found_own.update(view for view in last if view is not None)
        for value in members:
            if value[1] in layers[value[0]].gradient_reads_tops:
                for view in (view for view, writer in last.items() if writer > value[0]):
                    if values.views[value] == view:
                        found_kept.add(value)
                    elif view is not None:
                        found_own.add(view)
        found_own.update(_written_over_too_early(layers, values, writers, members))
    return found_own, found_kept


def _by_root(values: _Values) -> dict[Top, list[Top]]:
    """Return the values in each memory that is written over, in the order in which they are made."""
    members: dict[Top, list[Top]] = {root: [] for root in values.writers}
    for value, root in values.roots.items():
        if root in members:
            members[root].append(value)
    return members


def _written_over_too_early(
    layers: Sequence[LayerMemory], values: _Values, writers: Sequence[tuple[int, Top]], members: Sequence[Top]
) -> Iterator[Top]:
    """Yield each view on which a layer writes over a value, other than its own bottom, that is read later."""
    first = second = (-1.0, (-1, -1))  # of the values there are when a layer writes, the two that are read last
    waiting = iter(members)
    value = next(waiting, None)
    for writer, target in writers:
        while value is not None and value[0] < writer:
            first, second = nlargest(2, (first, second, (_last_read(layers, values, value), value)))
            value = next(waiting, None)
        view = values.views[target]
        last_read, _ = second if first[1] == target else first
        if view is not None and last_read >= writer:
            yield view


def _last_read(layers: Sequence[LayerMemory], values: _Values, value: Top) -> float:
    """Return the last layer that reads the value; infinity for an output, or if a gradient without a copy reads it."""
    readers = values.readers[value]
    for reader, bottom_index in readers:
        if bottom_index in layers[reader].gradient_reads_bottoms:
            if not layers[reader].works_in_place_on(bottom_index):
                return inf
    return max((reader for reader, _ in readers), default=inf)
