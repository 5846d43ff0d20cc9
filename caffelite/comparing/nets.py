"""Nets to compare: in phase TEST, and with data that need not be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from caffelite.core import random
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import without_data
from caffelite.core.prototxt.upgrade import load_net
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

SEED = 1  # of weights without a file, which are a function of it, the layer's name and the shape


def net_to_run(
    path: Path,
    weights: Path | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    python_layers: bool = True,
) -> Net:
    """Return the net of a file in phase TEST, with Input layers for data that is not there.

    Without weights it gets random ones, the same in each net for layers of the same name and shape.
    """
    param, lines, _ = load_net(path, layer_type_list())
    draft = Draft.of(param, lines)
    draft = draft.with_param(with_caller_state(draft.param, TEST, level, stages))
    context = Context(SEED, folder=path.parent, python_layers=python_layers)
    net = Net.from_draft(without_data(draft, shapes, path.parent).draft, context)
    if weights is not None:
        net.copy_from(weights)
    else:
        _fill_weights(net)
    return net


def _fill_weights(net: Net) -> None:
    """Give weights that no filler gave values random ones: of weights that are 0 nothing could be told."""
    for param in net.learnable_params:
        blob = param.blob
        if blob.num_axes > 1 and not blob.data.any():
            rng = random.generator(SEED, param.layer_name, "compare", param.index)
            blob.data[...] = rng.normal(size=blob.shape) / np.sqrt(blob.count / blob.shape[0])
