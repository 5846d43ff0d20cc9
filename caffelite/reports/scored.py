"""Which blobs of a net are scores and labels: those that its Accuracy or its SoftmaxWithLoss layer reads."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from caffelite.core.blob import Blob
from caffelite.core.errors import UnknownNameError, UsageError
from caffelite.core.layer import Layer
from caffelite.core.net.net import Net
from caffelite.core.prototxt.suggest import did_you_mean

KINDS = ("Accuracy", "SoftmaxWithLoss")  # an Accuracy first: of several losses people measure the one that counts


class Scored(NamedTuple):
    """Scores and labels of a net, as `layer` reads them: (outer, classes, inner) and outer x inner.

    are_probabilities: whether a Softmax layer made the scores; has_softmax: or whether a SoftmaxWithLoss reads them.
    """

    layer: Layer
    scores: Blob
    labels: Blob
    outer: int
    classes: int
    inner: int
    ignore_label: int | None
    are_probabilities: bool
    has_softmax: bool


def find_scored(net: Net, name: str = "") -> Scored:
    """Return scores and labels that layer `name` reads; without one the last Accuracy, else the last SoftmaxWithLoss.

    The blobs are filled at each pass from now on. Raises UnknownNameError for a name that no layer has, UsageError for
    a layer of another type and for a net that has neither.
    """
    index = _layer(net, name)
    layer = net.core_layers[index]
    (_, scores), (_, labels) = net.bottoms(index)[:2]
    scores.pinned = labels.pinned = True
    is_accuracy = layer.type == "Accuracy"
    message = layer.layer_param
    param = message.accuracy_param if is_accuracy else message.loss_param
    axis = (message.accuracy_param if is_accuracy else message.softmax_param).axis % scores.num_axes
    outer, inner = prod(scores.shape[:axis]), prod(scores.shape[axis + 1 :])
    source = _source(net, index)
    readers = [i for i, other in enumerate(net.core_layers) if other.type == "SoftmaxWithLoss"]
    return Scored(
        layer,
        scores,
        labels,
        outer,
        scores.shape[axis],
        inner,
        param.ignore_label if param.HasField("ignore_label") else None,
        net.core_layers[source].type == "Softmax",
        any(_source(net, reader) == source for reader in readers),
    )


def _layer(net: Net, name: str) -> int:
    found = [(layer.type, index) for index, layer in enumerate(net.core_layers) if layer.type in KINDS]
    candidates = ", ".join(net.layer_names[index] for _, index in found)
    if not name:
        if not found:
            raise UsageError(
                f'net "{net.name}" has no Accuracy and no SoftmaxWithLoss layer in phase TEST, so there is nothing '
                "that says what its scores and labels are; add one: "
                'layer { name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" }'
            )
        return max(found, key=lambda one: (-KINDS.index(one[0]), one[1]))[1]
    if name not in net.layer_names:
        hint = did_you_mean(name, net.layer_names) or (f"; use {candidates}" if candidates else "")
        raise UnknownNameError(f'net "{net.name}" has no layer "{name}" in phase TEST{hint}')
    index = net.layer_names.index(name)
    if net.core_layers[index].type not in KINDS:
        hint = f"; use {candidates}" if candidates else ""
        raise UsageError(f'layer "{name}" is a {net.core_layers[index].type}, not an Accuracy or SoftmaxWithLoss{hint}')
    return index


def _source(net: Net, index: int) -> int:
    """Return the number of the layer that made bottom[0] of layer `index`, seen through Splits."""
    name = net.bottoms(index)[0][0]
    for before in range(index - 1, -1, -1):
        if name in [top for top, _ in net.tops(before)]:
            if net.core_layers[before].type != "Split":
                return before
            name = net.bottoms(before)[0][0]
    return index
