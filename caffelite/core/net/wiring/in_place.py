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
    return tuple(tuple(sorted(top for layer, top in tops if layer == index)) for index in range(count))


@dataclass
class _Values:
    """Everything that layers compute, one entry a top; an in-place top is a value of its own in the same memory.

    roots: the value whose memory it is in. views: the last top on the way from there that is a view of its bottom.
    makers: the layer it is the top of (its key's first number). readers: (layer, bottom index) of each reader.
    overwritten: (layer, value) of each in-place layer and the value that it works on.
    """

    roots: dict[Top, Top] = field(default_factory=dict)
    views: dict[Top, Top | None] = field(default_factory=dict)
    readers: dict[Top, list[tuple[int, int]]] = field(default_factory=dict)
    overwritten: list[tuple[int, Top]] = field(default_factory=list)


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
                values.overwritten.append((index, below))
                values.roots[top], values.views[top] = values.roots[below], values.views[below]
            elif layer.tops[top_index] is TopMemory.BOTTOM and top not in own:
                values.roots[top], values.views[top] = values.roots[bottoms[0]], top
            current[blob_id] = top
    return values


def _conflicts(layers: Sequence[LayerMemory], own: set[Top]) -> tuple[set[Top], set[Top]]:
    """Return the tops that need memory of their own, and those that their maker's gradient needs a copy of."""
    values = _follow(layers, own)
    found_own: set[Top] = set()
    found_kept: set[Top] = set()
    for writer, target in values.overwritten:
        root, view = values.roots[target], values.views[target]
        memory = TopMemory.OWN if root in own else layers[root[0]].tops[root[1]]
        if memory is TopMemory.KEPT or (memory is TopMemory.USER and view is not None):
            found_own.add(view or root)
        for value in _in_memory_of(values, root, writer):
            maker, top_index = value
            if top_index in layers[maker].gradient_reads_tops:
                if values.views[value] == view:
                    found_kept.add(value)
                elif view is not None:
                    found_own.add(view)
            if view is not None and value != target and _is_read_later(layers, values, value, writer):
                found_own.add(view)
    return found_own, found_kept


def _in_memory_of(values: _Values, root: Top, writer: int) -> Iterator[Top]:
    """Values in the memory of `root` that are there when layer `writer` writes over it."""
    return (value for value, its_root in values.roots.items() if its_root == root and value[0] < writer)


def _is_read_later(layers: Sequence[LayerMemory], values: _Values, value: Top, writer: int) -> bool:
    """Whether the value is an output, or `writer` or a layer behind it reads it, or a gradient without a copy does."""
    if not values.readers[value]:
        return True
    for reader, bottom_index in values.readers[value]:
        if reader >= writer:
            return True
        in_place = layers[reader].works_in_place_on(bottom_index)
        if bottom_index in layers[reader].gradient_reads_bottoms and not in_place:
            return True
    return False
