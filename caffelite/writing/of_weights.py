"""The text of a net, recovered from the caffemodel of its weights."""

from __future__ import annotations

from pathlib import Path

from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.write import net_text
from caffelite.core.weights.hdf5 import is_hdf5
from caffelite.core.weights.upgrade import OldWeights
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter, V1LayerParameter
from caffelite.writing.file import Written

Layers = list[LayerParameter] | list[V1LayerParameter]


def text_of_weights(path: Path, upgrade: bool = False) -> Written:
    """Return the prototxt of the net whose weights a caffemodel holds, and what was lost by an upgrade.

    Layers are written as they are stored, also in the forms of 2013 and 2014; with `upgrade` in today's. Split layers
    that Caffe inserted go, and so does the phase that it wrote into each layer.

    Raises WeightsError for what is no caffemodel, and for one that holds nothing but names and weights.
    """
    if is_hdf5(path):
        raise WeightsError(f"{path}: an HDF5 caffemodel holds weights alone; the fields of its net are in none")
    weights = OldWeights(path)
    net = weights.net(upgrade)
    layers: Layers = list(net.layer) or list(net.layers)
    if not any(layer.top or layer.bottom for layer in layers):
        raise WeightsError(
            f"{path}: it holds nothing but the names of {len(layers)} layers and their weights: whoever wrote it left "
            "the layers' fields out"
        )
    _clear_phases(net)
    _remove_splits(net)
    text = net_text(net, [f"The net of {path.name}, as it is stored there."])
    notes = [note.text for note in weights.notes if note.severity == "ERROR"] if upgrade else []
    return Written(text, notes)


def _clear_phases(net: NetParameter) -> None:
    """Clear the phase of all layers if it is the same in all: the net that was saved had it."""
    if len({layer.phase if layer.HasField("phase") else None for layer in net.layer}) == 1:
        for layer in net.layer:
            layer.ClearField("phase")


def _remove_splits(net: NetParameter) -> None:
    """Remove the Split layers that Caffe inserted, and let their readers read what they split."""
    renamed: dict[str, str] = {}
    for layers in (net.layer, net.layers):
        for index in reversed(range(len(layers))):
            layer = layers[index]
            if _is_inserted(layer):
                renamed.update(dict.fromkeys(layer.top, layer.bottom[0]))
                del layers[index]
        for layer in layers:
            for index, bottom in enumerate(layer.bottom):
                layer.bottom[index] = renamed.get(bottom, bottom)


def _is_inserted(layer: LayerParameter | V1LayerParameter) -> bool:
    """Return whether a layer is a Split with the names that Caffe gives: blob_layer_0_split and ..._split_0, _1, ..."""
    if layer.type not in ("Split", V1LayerParameter.SPLIT) or len(layer.bottom) != 1:
        return False
    tops = [f"{layer.name}_{number}" for number in range(len(layer.top))]
    return layer.name.endswith("_split") and layer.name.startswith(f"{layer.bottom[0]}_") and list(layer.top) == tops
