"""Layers and blobs of a net by the names that users give, with an answer for those that it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from caffelite.core.errors import UnknownNameError
from caffelite.core.net.net import Net
from caffelite.core.prototxt.suggest import any_of, did_you_mean


def layer_index(net: Net, name: str) -> int:
    """Return the number of a layer; UnknownNameError with the nearest name, or the layers that make a blob so named."""
    if name in net.layer_names:
        return net.layer_names.index(name)
    makers = [net.layer_names[index] for index in range(len(net.layer_names)) if name in _names(net.tops(index))]
    hint = f": it is a blob, made by layer {_quoted(makers)}" if makers else _hint(name, net.layer_names)
    raise UnknownNameError(f'net "{net.name}" has no layer "{name}"{hint}')


def blob_index(net: Net, name: str) -> int:
    """Return the number of a blob; UnknownNameError with the nearest name, or the blobs that a layer so named makes."""
    if name in net.blob_names:
        return net.blob_names.index(name)
    made = [top for index, layer in enumerate(net.layer_names) if layer == name for top in _names(net.tops(index))]
    hint = f": it is a layer, which makes {_quoted(made)}" if made else _hint(name, net.blob_names)
    raise UnknownNameError(f'net "{net.name}" has no blob "{name}"{hint}')


def _names(named: Sequence[tuple[str, object]]) -> list[str]:
    return [name for name, _ in named]


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(f'"{name}"' for name in dict.fromkeys(names))


def _hint(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known) or (f"; there are {any_of(known)}" if len(known) <= 8 else "")
