"""Let one net use another's parameters, as test nets use those of the training net. Source: src/caffe/net.cpp."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from caffelite.core.errors import WeightsError
from caffelite.core.format import shape_string
from caffelite.core.layer import Layer

log = logging.getLogger("caffelite")


def share_trained_layers(layers: Sequence[Layer], trained: Sequence[Layer], log_ignored: bool = True) -> None:
    """Let the values of the parameters of `layers` be those of the layers of the same names in `trained`.

    Raises WeightsError if a layer has other parameters there; layers that are only in `trained` are logged,
    unless told otherwise.
    """
    by_name: dict[str, Layer] = {}
    for layer in layers:
        by_name.setdefault(layer.name, layer)
    for source in trained:
        target = by_name.get(source.name)
        if target is not None:
            _share(target, source)
        elif log_ignored:
            log.info("Ignoring source layer %s", source.name)


def _share(target: Layer, source: Layer) -> None:
    name = source.name
    if len(target.blobs) != len(source.blobs):
        raise WeightsError(
            f"Incompatible number of blobs for layer {name}: the source has {len(source.blobs)}, "
            f"the target {len(target.blobs)}; both nets must define the layer alike"
        )
    for index, (blob, trained) in enumerate(zip(target.blobs, source.blobs, strict=True)):
        if blob.shape != trained.shape:
            raise WeightsError(
                f"Cannot share param {index} weights from layer '{name}'; shape mismatch.  "
                f"Source param shape is {shape_string(trained.shape)}; target param shape is {shape_string(blob.shape)}"
            )
        blob.share_data(trained)
