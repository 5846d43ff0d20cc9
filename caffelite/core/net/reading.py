"""How nets read their data: whether they had to wait for it, and which records they left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caffelite.core.layers.shared.prefetching import PrefetchingLayer
from caffelite.core.net.net import Net
from caffelite.proto import caffe_pb2

LEAST_SHARE = 0.01  # of the time, from which on waiting is said
LEAST_SECONDS = 1.0  # the same: in a short run a thread that starts late is no reason for advice


def readers(nets: Iterable[Net]) -> list[PrefetchingLayer]:
    """Return the layers that read ahead."""
    return [layer for net in nets for layer in net.core_layers if isinstance(layer, PrefetchingLayer)]


def seconds_waited(layers: Sequence[PrefetchingLayer]) -> float:
    """Return for how long all of them had to be waited for."""
    return sum(layer.seconds_waited for layer in layers)


def seconds_for_first(layers: Sequence[PrefetchingLayer]) -> float:
    """Return for how long their first batches were waited for: nothing reads ahead of those."""
    return sum(layer.seconds_for_first for layer in layers)


def waiting_text(waited: float, seconds: float) -> str:
    """Return what is to be said of having waited for data in so many seconds; "" if that is nothing."""
    if waited < max(LEAST_SECONDS, LEAST_SHARE * seconds):
        return ""
    return f"{waited / seconds:.0%} of the time was spent waiting for data ({waited:.1f} s of {seconds:.1f} s)"


def skipped_texts(layers: Sequence[PrefetchingLayer]) -> list[str]:
    """Return for each layer that left out records how often it did."""
    return [
        f'layer "{layer.name}", phase {caffe_pb2.Phase.Name(layer.phase)}: a record that cannot be read was left out '
        + ("once" if count == 1 else f"{count} times")
        for layer in layers
        if (count := layer.records_skipped)
    ]
