"""The passes whose values and gradients the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from caffelite.core.net.net import Net
from caffelite.explaining.versions import Origin
from caffelite.pictures.score import backward_from_score, scores_of


@dataclass(frozen=True)
class Differentiated:
    """What a backward pass differentiated: in words, the blob that it began in ("" of a loss), the last layer run."""

    words: str
    blob: str
    last_layer: int


def pin(net: Net) -> None:
    """Let every pass fill every blob; call it before the passes."""
    for index in range(len(net.core_layers)):
        for _, blob in net.tops(index):
            blob.pinned = True


def run_backward(net: Net, origins: Mapping[str, Origin]) -> Differentiated:
    """Run backward from the loss, or from the best score of a net without one, after a pass forward.

    Raises UsageError if there is nothing to differentiate.
    """
    scores = scores_of(net)
    words = backward_from_score(net)
    if scores is None:
        return Differentiated(words, "", len(net.core_layers) - 1)
    last = net.graph().nodes[-1]
    blob = last.bottoms[0] if last.type == "Softmax" else last.tops[0]  # a Split's copy has a name of its own
    place = words.removeprefix(scores.name)
    return Differentiated(f"{origins[blob].blob if blob in origins else blob}{place}", blob, scores.layer)
