"""Pieces of a blob along an axis: cut out by Slice, and put together again in another order by Concat."""

from __future__ import annotations

from collections.abc import Sequence

from caffelite.onnx_import.building import BVLC, Building
from caffelite.onnx_import.node import Node

Piece = tuple[int, int]  # first and last + 1 along the axis
MOST = 2000  # pieces of one blob, each of them a top


def cut(node: Node, net: Building, bottom: str, axis: int, size: int, pieces: dict[str, Piece]) -> None:
    """Add a Slice layer with the tops of `pieces` and others for what lies between, which a Silence layer reads."""
    tops: list[str] = []
    points: list[int] = []
    rests: list[str] = []
    end = 0
    for blob, (first, last) in sorted(pieces.items(), key=lambda entry: entry[1]):
        if first > end:
            rests.append(net.rest(node, f"rest_{len(rests)}"))
            tops.append(rests[-1])
            points.append(first)
        tops.append(blob)
        points.append(last)
        end = last
    if end < size:
        rests.append(net.rest(node, f"rest_{len(rests)}"))
        tops.append(rests[-1])
        points.append(size)
    net.add_with_rests(node, "Slice", bottom, tops, slice_param={"axis": axis, "slice_point": points[:-1]})
    net.silence(node, rests)


def ordered(node: Node, net: Building, bottom: str, axis: int, size: int, places: Sequence[int]) -> str:
    """Return a blob with what lies at `places` along an axis of `size`, in their order; `bottom` if that is all.

    NodeError for too many pieces.
    """
    runs = _runs(places)
    if runs == [(0, size)]:
        return bottom
    if list(places) == list(range(size))[::-1] and net.dialect != BVLC:
        return net.step(node, "backwards", "Reverse", [bottom], reverse_param={"axis": [axis]})
    if len(runs) > MOST:
        raise node.refuse(f"it takes {len(runs)} pieces of axis {axis}", f"Caffe cuts each out; {MOST} are the most")
    borders = sorted({0, size} | {border for run in runs for border in run})
    blobs: dict[Piece, str] = {}
    for piece in zip(borders, borders[1:], strict=False):
        if any(first <= piece[0] and piece[1] <= last for first, last in runs):
            blobs[piece] = net.rest(node, f"from_{piece[0]}")
    if list(blobs) == [(0, size)]:
        blobs[0, size] = bottom
    else:
        cut(node, net, bottom, axis, size, {blob: piece for piece, blob in blobs.items()})
    parts = [blob for run in runs for piece, blob in blobs.items() if run[0] <= piece[0] and piece[1] <= run[1]]
    return parts[0] if len(parts) == 1 else net.step(node, "in_order", "Concat", parts, concat_param={"axis": axis})


def _runs(places: Sequence[int]) -> list[Piece]:
    """Return the places as pieces, each as long as they ascend by 1."""
    runs: list[Piece] = []
    for place in places:
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs
