"""Let one net use another's parameters, as test nets use those of the training net. Source: src/caffe/net.cpp."""

from __future__ import annotations

from collections.abc import Sequence

from caffelite.core.errors import WeightsError
from caffelite.core.layer import Layer
from caffelite.core.weights.match import NetLayer, Rules, SourceLayer, matched

_RULES = Rules(
    may_lack=False,
    count_text="Incompatible number of blobs for layer {name}: the source has {found}, the target {wanted}; "
    "both nets must define the layer alike",
    shape_text="Cannot share param {number} weights from layer '{name}'; shape mismatch.  "
    "Source param shape is {found}; target param shape is {wanted}",
)


def share_trained_layers(layers: Sequence[Layer], trained: Sequence[Layer], log_ignored: bool = True) -> None:
    """Let the values of the parameters of `layers` be those of the layers of the same names in `trained`.

    Raises WeightsError, before anything is shared, if a layer has other parameters there; layers that are only in
    `trained` are logged, unless told otherwise.
    """
    for layer, other in zip(layers[:1], trained[:1], strict=False):  # all layers of a net have the same
        if layer.dtype != other.dtype:
            raise WeightsError(
                f"a net of {layer.dtype} numbers cannot share parameters with one of {other.dtype}: "
                "make both with the same dtype, or save the other's and use copy_from"
            )
    targets = [
        NetLayer(layer.name, layer.blobs, [True] * len(layer.blobs), layer.layer_param, layer.place) for layer in layers
    ]
    sources = [SourceLayer(layer.name, dict(enumerate(layer.blobs))) for layer in trained]
    if not log_ignored:
        names = {layer.name for layer in layers}
        sources = [source for source in sources if source.name in names]
    for blob, source in matched(targets, sources, "the other net", _RULES):
        blob.share_data(source)
