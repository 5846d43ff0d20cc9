"""Blocks of layers that a net repeats: inception modules, residual blocks, pairs of depthwise and 1x1 convolutions."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import Any, NamedTuple

from caffelite.drawing.net import Drawing, Unit

LONGEST = 6  # segments of one block
FEWEST_IN_A_ROW = 3  # of blocks without branches; two convolutions and a pooling, twice, are no pattern yet

Signature = tuple[Any, ...]


class Block(NamedTuple):
    """The units `start` to `stop` - 1, and what their names have in common; "" if that is nothing."""

    start: int
    stop: int
    name: str


class _Segment(NamedTuple):
    """Units between two places at which the net is a single line; it has branches if there are several."""

    start: int
    stop: int
    signature: Signature

    @property
    def has_branches(self) -> bool:
        return self.stop - self.start > 1


def repeated_blocks(drawing: Drawing) -> list[Block]:
    """Return the blocks that occur at least twice, in order; none lies in another.

    Segments with branches that look alike are blocks, together with what stands before them again and again in a line
    (squeeze and expand); so is what repeats in a line alone, three times in a row.
    """
    segments = _segments(drawing)
    signatures = [segment.signature for segment in segments]
    patterns = _patterns(segments)
    counts = Counter(segment.signature for segment in segments if segment.has_branches)
    patterns += [(signature,) for signature, number in counts.items() if number > 1]
    blocks, position = [], 0
    while position < len(segments):
        length = next((len(p) for p in patterns if tuple(signatures[position : position + len(p)]) == p), 0)
        if length:
            start, stop = segments[position].start, segments[position + length - 1].stop
            blocks.append(Block(start, stop, _common_name(drawing.units[start:stop])))
        position += length or 1
    return blocks


def _segments(drawing: Drawing) -> list[_Segment]:
    """Cut the net wherever only one unit's blobs lead on."""
    count = len(drawing.units)
    last_reader: dict[int, int] = defaultdict(lambda: -1)
    sources: dict[int, list[int]] = defaultdict(list)
    for edge in drawing.edges:
        if edge.target >= 0 and not drawing.is_label(edge):
            last_reader[edge.source] = max(last_reader[edge.source], edge.target)
            sources[edge.target].append(edge.source)
    segments, start = [], 0
    for position in range(1, count + 1):
        if sum(last_reader[unit] >= position for unit in range(position)) <= 1:
            segments.append(_Segment(start, position, _signature(drawing.units, start, position, sources)))
            start = position
    return segments


def _signature(units: list[Unit], start: int, stop: int, sources: dict[int, list[int]]) -> Signature:
    """Return what alike segments share: types and wires, and of a single unit its window, too."""
    alone = stop - start == 1
    return tuple(
        (
            tuple(layer.type for layer in units[number].layers if layer.type != "Dropout"),
            _window(units[number]) if alone else (),
            tuple(sorted(number - source if source >= start else 0 for source in sources[number])),
        )
        for number in range(start, stop)
    )


def _window(unit: Unit) -> Signature:
    param = unit.layers[0].convolution_param
    return tuple(param.kernel_size), param.group > 1


def _patterns(segments: list[_Segment]) -> list[tuple[Signature, ...]]:
    """Return sequences of segments that are repeated in a row, at most one of each having branches."""
    found: list[tuple[Signature, ...]] = []
    position = 0
    while position < len(segments):
        length, times = _repetition(segments, position)
        if times:
            found.append(tuple(segment.signature for segment in segments[position : position + length]))
        position += max(length * times, 1)
    return list(dict.fromkeys(found))


def _repetition(segments: list[_Segment], start: int) -> tuple[int, int]:
    """Return the length of the shortest sequence of segments that is repeated from `start` on, and how often."""
    signatures = [segment.signature for segment in segments[start:]]
    for length in range(2, LONGEST + 1):
        pattern = signatures[:length]
        times = 1
        while signatures[times * length : (times + 1) * length] == pattern:
            times += 1
        branches = sum(segment.has_branches for segment in segments[start : start + length])
        if len(set(pattern)) > 1 and ((branches == 1 and times > 1) or (not branches and times >= FEWEST_IN_A_ROW)):
            return length, times
    return 0, 0


def _common_name(units: list[Unit]) -> str:
    return os.path.commonprefix([unit.layers[0].name for unit in units]).rstrip("/_-.")
