"""Which layer of a net gets which blobs of a source: a weight file or another net. Source: src/caffe/net.cpp."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from caffelite.core.blob import Blob, Shape
from caffelite.core.errors import WeightsError
from caffelite.core.format import shape_string
from caffelite.core.prototxt.lines import Place, where
from caffelite.proto.caffe_pb2 import LayerParameter

log = logging.getLogger("caffelite")

_SAME_COUNT = " The counts agree, only the axes differ: values of the same meaning can be reshaped in the file."
_NAMES = 5  # layers that an error lists


class NetLayer(NamedTuple):
    """A layer of a net as weight files know it.

    `owned` says of each blob whether this layer owns it; the others' values are those of an earlier layer's.
    `place` is where the layer stands in the user's file; `advice` says of a number of blobs that does not fit what to
    write in that file, "" if nothing makes them fit.
    """

    name: str
    blobs: Sequence[Blob]
    owned: Sequence[bool]
    param: LayerParameter
    place: Place | None = None
    advice: Callable[[int], str] = lambda count: ""


class SourceBlob(Protocol):
    """What is matched with a blob of the net."""

    @property
    def shape(self) -> Shape:
        """Its axes; WeightsError if a file's make no sense."""


S = TypeVar("S", bound=SourceBlob)


@dataclass(frozen=True)
class SourceLayer(Generic[S]):
    """A layer of the source: its blobs by number. `is_folder`: an HDF5 group that only holds those of other layers."""

    name: str
    blobs: Mapping[int, S]
    is_folder: bool = False


class Rules(NamedTuple):
    """How a kind of source is matched, as in Caffe, and what is said when it does not fit.

    may_lack:    the source need not have the blobs that a layer does not own.
    count_text:  takes {name}, {found}, {wanted} (numbers of blobs) and {source}, what the errors call the source.
    shape_text:  takes {name}, {number}, {found}, {wanted} (shapes) and {source}.
    """

    may_lack: bool
    count_text: str
    shape_text: str


def same_shape(blob: Blob, source: SourceBlob) -> bool:
    """Whether the shapes are equal."""
    return blob.shape == source.shape


def matched(
    layers: Iterable[NetLayer],
    sources: Iterable[SourceLayer[S]],
    source: str,
    rules: Rules,
    fits: Callable[[Blob, S], bool] = same_shape,
) -> list[tuple[Blob, S]]:
    """Return the net's blobs with what they get; layers that only the source has are logged.

    Layers of one name, those with blobs if any has some, are matched in their order, so that a net finds its own. A
    source that has more of them than the net is matched as in Caffe: each with the first, which keeps the last.
    Raises WeightsError if the blobs of a layer in both differ in number or shape.
    """
    by_name = _by_name(layers)
    sources = list(sources)
    equals = Counter(found.name for found in sources if found.blobs)
    seen: Counter[str] = Counter()
    pairs: list[tuple[Blob, S]] = []
    for found in sources:
        targets = by_name.get(found.name)
        if targets is None:
            if not found.is_folder:
                log.info("Ignoring source layer %s", found.name)
        elif found.blobs or not equals[found.name]:
            number = seen[found.name] if equals[found.name] <= len(targets) else 0
            seen[found.name] += 1
            pairs += _pairs(targets[min(number, len(targets) - 1)], found.blobs, source, rules, fits)
    return pairs


def _by_name(layers: Iterable[NetLayer]) -> dict[str, list[NetLayer]]:
    """Return the layers of each name in order; those without blobs only where none of the name has some."""
    by_name: dict[str, list[NetLayer]] = {}
    for layer in layers:
        by_name.setdefault(layer.name, []).append(layer)
    return {name: [layer for layer in equals if layer.blobs] or equals for name, equals in by_name.items()}


def distinct(names: Sequence[str]) -> list[str]:
    """Return names of which no two are equal: of equal ones the last as it is, those before it as `ip (1)`, `ip (2)`.

    Caffe finds the last of equal names in HDF5, so that it finds the same layer in a file with these.
    """
    last = {name: index for index, name in enumerate(names)}
    seen: Counter[str] = Counter()
    result = []
    for index, name in enumerate(names):
        seen[name] += 1
        result.append(name if last[name] == index else f"{name} ({seen[name]})")
    return result


def _pairs(
    target: NetLayer, blobs: Mapping[int, S], source: str, rules: Rules, fits: Callable[[Blob, S], bool]
) -> list[tuple[Blob, S]]:
    wanted, place = len(target.blobs), where(target.place)
    if max(blobs, default=-1) >= wanted or (len(blobs) != wanted and not rules.may_lack):
        text = rules.count_text.format(name=target.name, found=len(blobs), wanted=wanted, source=source)
        raise WeightsError(place + text + target.advice(len(blobs)))
    pairs = []
    for number, (blob, owned) in enumerate(zip(target.blobs, target.owned, strict=True)):
        if number not in blobs:
            if owned:
                raise WeightsError(
                    f"{place}{source}: param {number} of layer '{target.name}' is missing; "
                    "rename the layer to learn it from scratch"
                )
            continue
        if not fits(blob, blobs[number]):
            shape = blobs[number].shape
            text = rules.shape_text.format(
                name=target.name,
                number=number,
                found=shape_string(shape),
                wanted=shape_string(blob.shape),
                source=source,
            )
            raise WeightsError(place + text + (_SAME_COUNT if prod(shape) == blob.count else ""))
        pairs.append((blob, blobs[number]))
    return pairs


def check_filled(layers: Sequence[NetLayer], filled: Iterable[Blob], source: str, all_needed: bool = False) -> None:
    """Warn of each layer that owns parameters and got none from the file `source`; `filled` are those that got some.

    Raises WeightsError if no layer got any: the net would be as it was. With `all_needed`, if one got none.
    """
    places = {_address(blob) for blob in filled}
    with_params = [layer for layer in layers if layer.blobs]
    if with_params and not places:
        names = ", ".join(layer.name for layer in with_params[:_NAMES]) + (", ..." if with_params[_NAMES:] else "")
        raise WeightsError(
            f"{source}: no layer in it has the name of a layer with parameters of this net ({names}); "
            "give the weights of this net, or name its layers as in the file"
        )
    for layer in with_params:
        if not any(layer.owned) or any(_address(blob) in places for blob in layer.blobs):
            continue
        if all_needed:
            raise WeightsError(
                f"{where(layer.place)}layer {layer.name} has no weights in {source}: give it the name that it had, "
                "or put all weights there"
            )
        with np.errstate(invalid="ignore"):  # a signalling NaN, which an earlier file may have held
            rest = "it keeps those it has" if any(blob.data.any() for blob in layer.blobs) else "it stays zero"
        log.warning("%slayer %s got no weights from %s: %s", where(layer.place), layer.name, source, rest)


def _address(blob: Blob) -> int:
    """Return where the values lie: blobs that share them have one address."""
    return int(blob.data.ctypes.data)
