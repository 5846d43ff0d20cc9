"""Receptive fields: how large a part of the input one pixel of each blob is made of, and how far apart they lie."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from caffelite.core.costs import WHOLE
from caffelite.core.net.net import Net


class ReceptiveField(NamedTuple):
    """In pixels of the net's input, on each spatial axis; both are () where the whole input is seen.

    `size` counts from the first pixel that is read to the last, those of the padding included. `stride` is by how much
    it moves from one pixel of the blob to the next.
    """

    size: tuple[Fraction, ...]
    stride: tuple[Fraction, ...]


ALL = ReceptiveField((), ())


def receptive_fields(net: Net) -> list[ReceptiveField | None]:
    """Return that of the tops of each layer, inserted Splits included; None for tops that are no images.

    Of several bottoms the larger field and the larger stride count.
    """
    of_blob: dict[str, ReceptiveField | None] = {}
    found = []
    for index, step in enumerate(net.plan.layer_steps):
        if not step.bottom:
            field = _of_input(step.top[0].shape) if step.top else None
        else:
            seen = [_through(net, index, number, of_blob[name]) for number, (name, _) in enumerate(net.bottoms(index))]
            field = _largest([one for one in seen if one is not None])
        of_blob.update((name, field) for name, _ in net.tops(index))
        found.append(field)
    return found


def _of_input(shape: Sequence[int]) -> ReceptiveField | None:
    axes = len(shape[2:])
    return ReceptiveField((Fraction(1),) * axes, (Fraction(1),) * axes) if axes else None


def _through(net: Net, index: int, number: int, field: ReceptiveField | None) -> ReceptiveField | None:
    """Return the field of a layer's tops, as far as it comes from one bottom, whose field is given."""
    if field is None or field == ALL:
        return field
    step = net.plan.layer_steps[index]
    reach = step.layer.reach(number, step.bottom, step.top)
    if reach is None:
        return None
    if reach == WHOLE:
        return ALL
    sizes = zip(field.size, field.stride, reach.extent, strict=True)
    return ReceptiveField(
        tuple(size + (extent - 1) * stride for size, stride, extent in sizes),
        tuple(stride * step for stride, step in zip(field.stride, reach.stride, strict=True)),
    )


def _largest(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    if not fields or ALL in fields:
        return ALL if fields else None
    return ReceptiveField(
        tuple(map(max, *(field.size for field in fields))) if len(fields) > 1 else fields[0].size,
        tuple(map(max, *(field.stride for field in fields))) if len(fields) > 1 else fields[0].stride,
    )
