"""The gradient of what a net says about one image, where it has no loss to differentiate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Blob
from caffelite.core.errors import UsageError
from caffelite.core.net.net import Net


class Scores(NamedTuple):
    """The blob with a net's scores, its name, and the layer that makes it."""

    name: str
    blob: Blob
    layer: int


def scores_of(net: Net) -> Scores | None:
    """Return the net's last blob, before a Softmax at the end; None for a net with a loss.

    UsageError if the last layer makes nothing.
    """
    if any(weight for _, weight, _ in net.output_values()):
        return None
    last = len(net.core_layers) - 1
    scores = net.tops(last)
    if net.core_layers[last].type == "Softmax":
        scores = net.bottoms(last)
        last -= 1
    if not scores or not scores[0][1].count:
        raise UsageError(f'net "{net.name}" has no last blob whose gradient could be taken')
    return Scores(*scores[0], last)


def backward_from_score(net: Net) -> str:
    """Run backward from the largest value of the net's last blob, for the first image; return what it is called.

    A Softmax at the end is left out: of a net that is sure its gradient is all but 0. The net must be made with
    force_backward and have run forward. A net with a loss runs backward from that. Raises UsageError if the last layer
    makes nothing.
    """
    net.clear_param_diffs()
    scores = scores_of(net)
    if scores is None:
        net.backward_pass()
        return "the loss"
    for index in range(len(net.core_layers)):
        for _, blob in net.tops(index):
            blob.diff[...] = 0
    first = scores.blob.data[:1].reshape(-1)
    best = int(np.argmax(first))
    scores.blob.diff.reshape(-1)[best] = 1
    net.backward_from_to(scores.layer, 0)
    return f"{scores.name}[{best}]"
