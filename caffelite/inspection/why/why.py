"""why: one value of a net, or one gradient, as the sum that it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import SupportsIndex

import numpy as np

from caffelite.core.blob import Blob, Shape
from caffelite.core.errors import UsageError, printable
from caffelite.core.net.net import Net
from caffelite.core.tables import by
from caffelite.inspection.lookup import blob_index
from caffelite.inspection.why.terms import BOTTOM, PARAM, TOP, Terms
from caffelite.inspection.why.view import Reader, Version, View

SHOWN = 8  # terms that are printed
CHANGED = "the blob, or what it is made of, was changed since"
ADDED_UP = "the last pass added that much; a diff keeps earlier passes too, and after a solver's step is the update"
AGREES = 1e-3  # of the sizes of the terms: float32 sums of many terms are rounded


@dataclass
class Term:
    """One term: `value` is what it adds, factor times input where it is a product.

    name and index say where the input stands: a blob, or a parameter such as "conv1[0]", "" for what comes from none;
    is_diff whether it is a gradient. factor_name names the factor, if it has a place. why is the input's own sum, if it
    was asked for.
    """

    value: float
    text: str = ""
    name: str = ""
    index: tuple[int, ...] = ()
    is_diff: bool = False
    input: float | None = None
    factor: float | None = None
    factor_name: str = ""
    why: Why | None = None

    def __str__(self) -> str:
        place = f"{self.name}{_index_text(self.index)}{' diff' if self.is_diff else ''}" if self.name else ""
        if self.input is None or not self.name:
            return f"{self.value:.6g}  {self.text}".rstrip()
        if self.factor is None:
            words = f"{place} {self.input:.6g}" if self.input != self.value or not self.text else place
            return f"{self.value:.6g} = {words}{f'  ({self.text})' if self.text else ''}"
        note = f"  ({self.text})" if self.text and not self.factor_name else ""
        return (
            f"{self.value:.6g} = {f'{self.factor_name} ' if self.factor_name else ''}{self.factor:.6g} * {place} "
            + (f"{self.input:.6g}{note}")
        )


@dataclass
class Why:
    """One value of a blob, or of its diff, as a sum. `print` shows the largest terms.

    value is what the blob holds, total the sum of the terms, which agrees with it up to rounding. terms: the largest
    first. layers: names and types of the layer that makes the value, or of those that send the gradient.
    """

    name: str
    index: tuple[int, ...]
    is_diff: bool
    layers: list[str]
    value: float
    total: float
    terms: list[Term] = field(repr=False)
    is_param: bool = False

    @property
    def agrees(self) -> bool:
        """Whether value and total are the same but for rounding; they are not if the blob was changed since."""
        if not math.isfinite(self.value) or not math.isfinite(self.total):
            return str(self.value) == str(self.total)
        size = sum(abs(term.value) for term in self.terms)
        return abs(self.value - self.total) <= AGREES * max(size, abs(self.value), 1e-30)

    def __str__(self) -> str:
        return printable("\n".join(self._lines()))

    def __repr__(self) -> str:
        return str(self)

    def _lines(self) -> Iterator[str]:
        place = f"{self.name}{_index_text(self.index)}{' diff' if self.is_diff else ''}"
        verb = "from" if self.is_diff else "by"
        count = f", {len(self.terms)} terms" if len(self.terms) > 1 else ""
        yield f"{place} = {self.value:.6g}, {verb} {', '.join(self.layers)}{count}"
        if not self.agrees:
            yield f"  the terms add up to {self.total:.6g}: {ADDED_UP if self.is_param else CHANGED}"
        for term in self.terms[:SHOWN]:
            yield f"  {term}"
            if term.why is not None:
                yield from (f"    {line}" for line in term.why._lines())
        if not self.terms:
            yield "  nothing adds to it"
        rest = self.terms[SHOWN:]
        if rest:
            yield f"  {sum(term.value for term in rest):.6g} = the other {len(rest)} terms together"


def why(net: Net, name: str, *index: int, depth: int = 1, diff: bool = False, follow: int = 3) -> Why:
    """Return what a value of blob `name` is the sum of, or with `diff` its gradient, as the last passes left them.

    `name` may be a layer with one top, which means its top as this layer makes it, also if another one works on it in
    place, or with `diff` a parameter, such as "conv1[0]", whose gradient all layers that share it add to. Of the
    `follow` largest terms the inputs are taken apart, too, `depth` layers down; layers that work in place do not count.
    It changes and pins nothing.

    Raises UnknownNameError for a name, UsageError for an index that the blob does not have, for a blob without a
    gradient, for a value of a parameter, which is no sum, and for a layer of a type whose values are not known to be
    one.
    """
    view = View(net)
    if not isinstance(depth, SupportsIndex) or depth < 1:
        raise UsageError(f"depth is {depth}; use 1 or more layers")
    builder = _Builder(view, diff, max(follow, 0))
    param = None if name in net.blob_names else _param(view, name)
    if param is not None:
        if not diff:
            raise UsageError(f"{name} is a parameter, which no layer makes; its gradient is a sum: write diff=True")
        return builder.why_param(name, param, _place(name, index, param.shape), depth)
    version = _version(view, name, diff)
    return builder.why(version, _place(version.blob, index, view.blob(version).shape), depth)


def _param(view: View, name: str) -> Blob | None:
    """Return the parameter that a name such as "conv1[0]" means; None if it means none."""
    layer, _, number = name.removesuffix("]").rpartition("[")
    if not name.endswith("]") or not number.isdecimal() or view.net.layer_names.count(layer) != 1:
        return None
    blobs = view.steps[view.net.layer_names.index(layer)].layer.blobs
    if int(number) >= len(blobs):
        raise UsageError(f'layer "{layer}" has {len(blobs)} parameters, numbered from 0, and no {name}')
    found: Blob = blobs[int(number)]
    return found


def _version(view: View, name: str, diff: bool) -> Version:
    net = view.net
    if name not in net.blob_names and net.layer_names.count(name) == 1:
        layer = net.layer_names.index(name)
        if len(net.tops(layer)) == 1:
            return view.made_by(layer, 0)
    blob_index(net, name)
    return view.first(name) if diff else view.last(name)


def _place(name: str, index: Sequence[int], shape: Shape) -> int:
    """Return the flat place; UsageError unless there is one number for each axis, each inside it."""
    if not all(isinstance(i, SupportsIndex) for i in index):
        raise UsageError(f'the place in blob "{name}" is of whole numbers, not {", ".join(map(repr, index))}')
    if len(index) != len(shape) or any(not -size <= i < size for i, size in zip(index, shape, strict=False)):
        given = ", ".join(map(str, index)) or "no numbers"
        raise UsageError(
            f'blob "{name}" is {by(shape)}; give {len(shape)} numbers, one inside each axis, not {given}'
            if shape
            else f'blob "{name}" is a scalar; give no numbers, not {given}'
        )
    flat = 0
    for i, size in zip(index, shape, strict=True):
        flat = flat * size + int(i) % size
    return flat


@dataclass
class _Builder:
    view: View
    diff: bool
    follow: int

    def why(self, version: Version, place: int, depth: int) -> Why:
        """Return the sum, with those of its largest terms if `depth` is more than 1."""
        view, places = self.view, np.array([place])
        blob = view.blob(version)
        if self.diff:
            found, through = view.gradient_terms(version, place)
            value = float(view.gradients(version, places)[0])
            layers = list(dict.fromkeys(reader.layer for reader in through)) or [
                reader.layer for reader in view.readers(version)
            ]
        else:
            found, layers = view.value_terms(version, place), [version.writer]
            through = [Reader(version.writer, 0)] * len(found)
            value = float(view.values(version, places)[0])
        index = tuple(int(i) for i in np.unravel_index(place, blob.shape)) if blob.shape else ()
        terms = self._sorted_terms(found, through, version, depth)
        return Why(version.blob, index, self.diff, self._named(layers), value, _total(found), terms)

    def why_param(self, name: str, param: Blob, place: int, depth: int) -> Why:
        """Return the gradient of a parameter as the sum that it is."""
        found, through = self.view.param_gradient_terms(param, place)
        index = tuple(int(i) for i in np.unravel_index(place, param.shape)) if param.shape else ()
        layers = list(dict.fromkeys(reader.layer for reader in through))
        terms = self._sorted_terms(found, through, None, depth)
        value = float(param.diff.flat[place])
        return Why(name, index, True, self._named(layers), value, _total(found), terms, is_param=True)

    def _named(self, layers: Sequence[int]) -> list[str]:
        steps, names = self.view.steps, self.view.net.layer_names
        return [f"{names[index]} ({steps[index].layer.layer_param.type})" for index in layers]

    def _sorted_terms(
        self, found: list[Terms], through: list[Reader], version: Version | None, depth: int
    ) -> list[Term]:
        """Return the single terms, the largest first, the first ones with what they are the sum of."""
        terms = [
            (term, source)
            for part, reader in zip(found, through, strict=True)
            for term, source in self._terms(part, reader.layer)
        ]
        terms.sort(key=lambda pair: -abs(pair[0].value) if pair[0].value == pair[0].value else -math.inf)
        for term, source in terms[: self.follow]:
            if source is not None:
                term.why = self._below(version, source, depth)
        return [term for term, _ in terms]

    def _below(self, version: Version | None, source: tuple[Version, int], depth: int) -> Why | None:
        """Return the sum that an input is, None where one need not go down further, or cannot."""
        below, place = source
        if version is None or below.blob != version.blob:
            depth -= 1
        step = self.view.steps[below.writer]
        if depth < 1 or (not self.diff and not step.bottom and not step.layer.blobs):
            return None
        try:
            return self.why(below, place, depth)
        except UsageError:
            return None  # a layer without a rule: its output is shown, what it is made of is not

    def _terms(self, part: Terms, index: int) -> Iterator[tuple[Term, tuple[Version, int] | None]]:
        """Give the terms of one kind one by one, each with what it comes from."""
        view = self.view
        for number, value in enumerate(part.values):
            term, source = Term(float(value), part.text), None
            if part.role and part.places is not None and part.inputs is not None:
                place = int(part.places[number])
                term.input = float(part.inputs[number])
                if part.role == PARAM:
                    term.name, shape = (
                        f"{view.net.layer_names[index]}[{part.number}]",
                        self._param_shape(index, part.number),
                    )
                else:
                    version = (view.read_by if part.role == BOTTOM else view.made_by)(index, part.number)
                    term.name, shape = version.blob, view.blob(version).shape
                    source = (version, place)
                term.is_diff = part.role == TOP
                term.index = tuple(int(i) for i in np.unravel_index(place, shape)) if shape else ()
                if part.factors is not None:
                    term.factor = float(part.factors[number])
                if part.params is not None:
                    name, shape = self._factor_of(part, index)
                    at = np.unravel_index(int(part.params[number]), shape) if shape else ()
                    term.factor_name = name + _index_text(tuple(int(i) for i in at))
            yield term, source

    def _factor_of(self, part: Terms, index: int) -> tuple[str, Shape]:
        """Return the name and shape of the blob that the factors of layer `index` are in."""
        if part.factor_role == BOTTOM:
            version = self.view.read_by(index, part.param_number)
            return version.blob, self.view.blob(version).shape
        return f"{self.view.net.layer_names[index]}[{part.param_number}]", self._param_shape(index, part.param_number)

    def _param_shape(self, index: int, number: int) -> Shape:
        shape: Shape = self.view.steps[index].layer.blobs[number].shape
        return shape


def _total(found: list[Terms]) -> float:
    return float(sum(part.values.sum() for part in found))


def _index_text(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
