"""Which layers, bottoms and parameters run backward. Source: src/caffe/net.cpp, Init."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerFlow:
    """What the analysis needs of one layer.

    bottom_ids, top_ids: blob numbers. loss_weights: one a top. propagate_down: one a bottom, or none.
    lr_mults: one a parameter blob. allow_force_backward: one a bottom.
    """

    bottom_ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    loss_weights: tuple[float, ...]
    propagate_down: tuple[bool, ...]
    lr_mults: tuple[float, ...]
    allow_force_backward: tuple[bool, ...]


@dataclass(frozen=True)
class BackwardNeeds:
    """For each layer: does it run backward, for which bottoms, for which parameter blobs."""

    layers: tuple[bool, ...]
    bottoms: tuple[tuple[bool, ...], ...]
    params: tuple[tuple[bool, ...], ...]


def backward_needs(flows: Sequence[LayerFlow], force_backward: bool) -> BackwardNeeds:
    """Return what runs backward; `force_backward` is the net's field of that name."""
    layers, bottoms = _needs_from_below(flows)
    _drop_what_no_loss_needs(flows, layers, bottoms)
    params = [tuple(lr_mult != 0 for lr_mult in flow.lr_mults) for flow in flows]
    if force_backward:
        layers = [True] * len(flows)
        bottoms = [_or(flags, flow.allow_force_backward) for flags, flow in zip(bottoms, flows, strict=True)]
        params = [tuple(True for _ in flags) for flags in params]
    return BackwardNeeds(tuple(layers), tuple(tuple(flags) for flags in bottoms), tuple(params))


def _or(flags: Sequence[bool], others: Sequence[bool]) -> list[bool]:
    return [flag or other for flag, other in zip(flags, others, strict=True)]


def _needs_from_below(flows: Sequence[LayerFlow]) -> tuple[list[bool], list[list[bool]]]:
    """Walk from first to last layer: a blob needs its gradient if there are weights to learn below it."""
    needed: set[int] = set()
    layers, bottoms = [], []
    for flow in flows:
        below = [blob in needed for blob in flow.bottom_ids]
        # propagate_down says what is computed for a bottom, not whether the layer has anything to do
        bottoms.append(list(flow.propagate_down) or below)
        layers.append(any(below) or any(lr_mult != 0 for lr_mult in flow.lr_mults))
        if layers[-1]:
            needed.update(flow.top_ids)
    return layers, bottoms


def _drop_what_no_loss_needs(flows: Sequence[LayerFlow], layers: list[bool], bottoms: list[list[bool]]) -> None:
    """Walk from last to first layer and clear flags where no loss, or nobody who passes a gradient on, lies above."""
    under_loss: set[int] = set()
    skipped: set[int] = set()  # blobs whose gradient some reader does not compute
    for index in reversed(range(len(flows))):
        flow = flows[index]
        contributes = any(weight != 0 for weight in flow.loss_weights) or not under_loss.isdisjoint(flow.top_ids)
        if layers[index] and skipped.issuperset(flow.top_ids):
            layers[index] = False
            bottoms[index] = [False] * len(flow.bottom_ids)
        if not contributes:
            layers[index] = False
            bottoms[index] = [False] * len(flow.bottom_ids)
        else:
            under_loss.update(flow.bottom_ids)
        skipped.update(blob for blob, flag in zip(flow.bottom_ids, bottoms[index], strict=True) if not flag)
