"""Layers and blobs of a net by the names that a user gives."""

from __future__ import annotations

from caffelite.core.blob import Blob
from caffelite.core.errors import UnknownNameError, UsageError
from caffelite.core.layer import Layer
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.net.net import Net
from caffelite.core.prototxt.suggest import any_of, did_you_mean


def layer_index(net: Net, name: str) -> int:
    """Return the number of the layer; of equal names the last. UnknownNameError, with the nearest name, without one."""
    if name not in net.layer_names:
        names = [node.name for node in net.graph().nodes]
        hint = did_you_mean(name, names) or f"; its layers are {', '.join(names)}"
        raise UnknownNameError(f'net "{net.name}" has no layer "{name}"{hint}')
    return len(net.layer_names) - 1 - net.layer_names[::-1].index(name)


def has_filters(layer: Layer) -> bool:
    """Whether the layer's first parameter is a weight that is drawn as filters."""
    return isinstance(layer, BaseConvolutionLayer) or layer.type == "InnerProduct"


def layer_with_filters(net: Net, name: str | None) -> int:
    """Return the number of the layer `name`, or of the first one with filters; UsageError if there is none."""
    found = [layer.name for layer in net.core_layers if has_filters(layer)]
    if name is None and found:
        return layer_index(net, found[0])
    if name is None:
        raise UsageError(f'net "{net.name}" has no Convolution, Deconvolution or InnerProduct layer')
    index = layer_index(net, name)
    layer = net.core_layers[index]
    if not has_filters(layer):
        hint = f"; those of this net are {', '.join(found)}" if found else ""
        raise UsageError(
            f'layer "{name}" ({layer.type}) has no filters: Convolution, Deconvolution and InnerProduct have{hint}'
        )
    return index


def blob_of(net: Net, name: str | None) -> tuple[str, Blob, list[str]]:
    """Return name and blob that `name` stands for, a blob or the only top of a layer, and the layers that write it.

    Without a name it is the first layer's with filters, else the last layer's. Of the layers the first makes the blob
    and the others work on it in place. Raises UnknownNameError or UsageError.
    """
    if name is None:
        name = next((layer.name for layer in net.core_layers if has_filters(layer)), net.layer_names[-1])
    writers: dict[str, list[str]] = {}
    blobs: dict[str, Blob] = {}
    for index, layer in enumerate(net.layer_names):
        for top, blob in net.tops(index):
            writers.setdefault(top, []).append(layer)
            blobs[top] = blob
    if name not in blobs:
        if name not in net.layer_names:
            hint = did_you_mean(name, [*blobs, *net.layer_names]) or f"; its blobs are {', '.join(blobs)}"
            raise UnknownNameError(f'net "{net.name}" has no layer and no blob "{name}"{hint}')
        tops = [top for top, _ in net.tops(layer_index(net, name))]
        if len(tops) != 1:
            raise UsageError(
                f'layer "{name}" has {len(tops)} tops; name a blob: {any_of(tops)}'
                if tops
                else f'layer "{name}" has no top'
            )
        name = tops[0]
    blob = blobs[name]
    blob.pinned = True  # from now on each pass fills it
    return name, blob, writers[name]
