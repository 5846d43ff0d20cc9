"""A net as its last passes left it: what each layer found in its blobs, also where another one wrote over it since."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.errors import UsageError
from caffelite.core.layer import Layer, TopMemory
from caffelite.core.layers.shared.kept_bottom import KeptBottom
from caffelite.core.net.net import Net
from caffelite.core.net.plan import LayerStep
from caffelite.inspection.why.terms import GRADIENTS, PARAM_GRADIENTS, VALUES, Rule, Terms, constant, rule_for


class Version(NamedTuple):
    """What a blob holds after a layer wrote it: of layers that work in place each makes another version."""

    blob: str
    writer: int


class LayerAt:
    """One layer of the net for the rules, as terms.At describes it."""

    def __init__(self, view: View, index: int) -> None:
        self._view, self._index = view, index
        self._step = view.steps[index]
        self.layer: Any = self._step.layer

    def bottom_shape(self, number: int) -> Shape:
        """Return the shape of a bottom."""
        return self._step.bottom[number].shape

    def top_shape(self, number: int) -> Shape:
        """Return the shape of a top."""
        return self._step.top[number].shape

    def num_bottoms(self) -> int:
        """Return how many bottoms there are."""
        return len(self._step.bottom)

    def num_tops(self) -> int:
        """Return how many tops there are."""
        return len(self._step.top)

    def bottom(self, number: int, places: Any) -> Array:
        """Return values of a bottom as the layer found them, in float64."""
        kept = _kept_by_layer(self._step, number)
        if kept is not None:
            return _at(kept, places)
        return self._view.values(self._view.read_by(self._index, number), np.asarray(places))

    def top(self, number: int, places: Any) -> Array:
        """Return values of a top as the layer made them, in float64."""
        return self._view.values(self._view.made_by(self._index, number), np.asarray(places))

    def top_diff(self, number: int, places: Any) -> Array:
        """Return gradients of a top as the layer found them, in float64."""
        return self._view.gradients(self._view.made_by(self._index, number), np.asarray(places))

    def param(self, number: int, places: Any) -> Array:
        """Return values of a parameter, in float64."""
        return _at(self.layer.blobs[number].data, places)

    def gets_gradient(self, number: int) -> bool:
        """Return whether backward fills the diff of a bottom."""
        return self._step.need_backward and self._step.propagate_down[number]


class Reader(NamedTuple):
    """A layer that a version gets its gradient from, and the number of the bottom that the version is to it."""

    layer: int
    number: int


class View:
    """All versions of a net's blobs. Splits that the wiring added are looked through."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.steps = net.plan.layer_steps
        written = {node.index for node in net.graph().nodes}
        self._added = {index for index in range(len(self.steps)) if index not in written}

    @cached_property
    def _writers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index in range(len(self.steps)):
            for name, _ in self.net.tops(index):
                found.setdefault(name, []).append(index)
        return found

    @cached_property
    def _blobs(self) -> dict[str, Blob]:
        return {name: blob for index in range(len(self.steps)) for name, blob in self.net.tops(index)}

    def blob(self, version: Version) -> Blob:
        """Return the blob, which may hold a later version by now; looking here pins nothing."""
        return self._blobs[version.blob]

    def last(self, name: str) -> Version:
        """Return the version that a blob holds after a pass forward."""
        return self._through_splits(Version(name, self._writers[name][-1]))

    def first(self, name: str) -> Version:
        """Return the version of which a blob holds the gradient after a pass backward."""
        return Version(name, self._writers[name][0])

    def made_by(self, index: int, number: int) -> Version:
        """Return the version that a layer makes of one of its tops."""
        return Version(self.net.tops(index)[number][0], index)

    def read_by(self, index: int, number: int) -> Version:
        """Return the version that a layer finds in one of its bottoms."""
        name = self.net.bottoms(index)[number][0]
        writer = max(writer for writer in self._writers[name] if writer < index)
        return self._through_splits(Version(name, writer))

    def _through_splits(self, version: Version) -> Version:
        return self.read_by(version.writer, 0) if version.writer in self._added else version

    def readers(self, version: Version) -> Iterator[Reader]:
        """Give the layers that send a gradient to a version."""
        name, writer = version
        later = [index for index in self._writers[name] if index > writer]
        end = later[0] if later else len(self.steps) - 1
        for index in range(writer + 1, end + 1):
            step = self.steps[index]
            for number, (bottom, _) in enumerate(self.net.bottoms(index)):
                if bottom != name or not step.need_backward or not step.propagate_down[number]:
                    continue
                if index in self._added:
                    for top in range(len(step.top)):
                        yield from self.readers(self.made_by(index, top))
                else:
                    yield Reader(index, number)

    def top_number(self, version: Version) -> int:
        """Return which top of its writer a version is."""
        return [name for name, _ in self.net.tops(version.writer)].index(version.blob)

    # Values

    def values(self, version: Version, places: Array) -> Array:
        """Return values of a version, in float64: from the blob, or made again where that holds others by now."""
        step, blob = self.steps[version.writer], self.blob(version)
        if not self._is_overwritten(version):
            return _at(blob.data, places)
        for kept in step.kept_tops:
            if kept._blob is blob and kept._copy is not None:
                return _at(kept._copy, places)
        return np.array([_sum(self.value_terms(version, int(place))) for place in places.reshape(-1)])

    def _is_overwritten(self, version: Version) -> bool:
        """Whether the blob's memory does not hold the version: a later layer wrote there, or the plan left it out."""
        blob = self.blob(version)
        if not blob.pinned and any(blob is inner for run in self.net.plan.runs for inner in run.inner):
            return True
        storage = blob.data_storage()
        return any(
            top.data_storage() is storage and step.layer.top_memory(number) is not TopMemory.BOTTOM
            for step in self.steps[version.writer + 1 :]
            for number, top in enumerate(step.top)
            if top.count
        )

    def value_terms(self, version: Version, place: int) -> list[Terms]:
        """Return what a value is the sum of; UsageError if no rule says so for the layer that makes it."""
        layer = self.steps[version.writer].layer
        rule = rule_for(VALUES, layer)
        if rule is not None:
            return rule(LayerAt(self, version.writer), self.top_number(version), place)
        if not self.steps[version.writer].bottom and type(layer).forward is not Layer.forward:
            return [constant(float(_at(self.blob(version).data, [place])[0]), f"given by {layer.type}")]
        raise _no_rule(layer, "values")

    # Gradients

    def gradients(self, version: Version, places: Array) -> Array:
        """Return gradients of a version, in float64: from the blob, or made again where backward wrote over them."""
        if not self._gradient_is_overwritten(version):
            return _at(self.blob(version).diff, places)
        return np.array([_sum(self.gradient_terms(version, int(place))[0]) for place in places.reshape(-1)])

    def _gradient_is_overwritten(self, version: Version) -> bool:
        """Whether the layer that makes the version works in place and has put the gradient of its bottom there."""
        step = self.steps[version.writer]
        return step.need_backward and any(
            name == version.blob and wanted
            for (name, _), wanted in zip(self.net.bottoms(version.writer), step.propagate_down, strict=True)
        )

    def gradient_terms(self, version: Version, place: int) -> tuple[list[Terms], list[Reader]]:
        """Return what a gradient is the sum of, and the layer that each of these terms comes through.

        UsageError if the version gets no gradient, or no rule says so for a layer that reads it.
        """
        terms: list[Terms] = []
        through: list[Reader] = []
        readers = list(self.readers(version))
        for reader in readers:
            found = self._rule(GRADIENTS, reader.layer)(LayerAt(self, reader.layer), reader.number, place)
            terms += found
            through += [reader] * len(found)
        if not readers:
            terms, through = [self._given_gradient(version, place)], [Reader(version.writer, 0)]
        return terms, through

    def param_gradient_terms(self, param: Blob, place: int) -> tuple[list[Terms], list[Reader]]:
        """Return what the gradient of a parameter is the sum of, and the layer, of those with it, that each is from.

        UsageError if no backward pass goes to it, or no rule says so for a layer.
        """
        terms: list[Terms] = []
        through: list[Reader] = []
        is_reached = False
        storage = param.diff.__array_interface__["data"][0]  # of those that share it each has a blob of its own
        for index, step in enumerate(self.steps):
            for number, blob in enumerate(step.layer.blobs):
                if blob.diff.__array_interface__["data"][0] != storage or not step.need_backward:
                    continue
                if step.layer.param_propagate_down[number]:
                    is_reached = True
                    found = self._rule(PARAM_GRADIENTS, index)(LayerAt(self, index), number, place)
                    terms += found
                    through += [Reader(index, number)] * len(found)
        if not is_reached:
            raise UsageError("this parameter gets no gradient: no backward pass goes to it")
        return terms, through

    def _given_gradient(self, version: Version, place: int) -> Terms:
        step = self.steps[version.writer]
        weight = step.loss_weights[self.top_number(version)] if step.loss_weights else 0
        read_later = any(version.blob in [name for name, _ in self.net.bottoms(i)] for i in range(len(self.steps)))
        if weight and self._gradient_is_overwritten(version):
            return constant(weight, "loss weight")
        if read_later and version.blob not in self.net.outputs or self._gradient_is_overwritten(version):
            raise UsageError(
                f'blob "{version.blob}" gets no gradient: no layer that reads it runs backward to it; '
                'write "force_backward: true" in the net, if there is a loss above'
            )
        value = float(_at(self.blob(version).diff, [place])[0])
        return constant(value, "loss weight" if weight and value == weight else "set before backward")

    def _rule(self, table: dict[type[Layer], Rule], index: int) -> Rule:
        rule = rule_for(table, self.steps[index].layer)
        if rule is None:
            raise _no_rule(self.steps[index].layer, "gradients")
        return rule


def _no_rule(layer: Layer, what: str) -> UsageError:
    return UsageError(
        f'layer "{layer.name}" ({layer.layer_param.type}): what {what} of this type are the sum of is not known'
    )


def _at(array: Array, places: Any) -> Array:
    """Return values at flat places, in float64."""
    return array.reshape(-1)[np.asarray(places, np.int64)].astype(np.float64)


def _sum(terms: list[Terms]) -> float:
    return float(sum(part.values.sum() for part in terms))


def _kept_by_layer(step: LayerStep, number: int) -> Array | None:
    """Return the copy that a layer which works in place, or the net for it, made of a bottom; None without one."""
    if number in step.bottom_copies:
        return step.bottom_copies[number].blob.data
    layer: Any = step.layer
    for name in ("_kept", "kept"):
        kept = getattr(layer, name, None)
        if number == 0 and isinstance(kept, KeptBottom) and kept._copy is not None:
            values = kept.data(step.bottom)
            return values if values is not step.bottom[0].data else None
    copies: dict[int, Array] = getattr(layer, "_copies", {})
    return copies.get(number)
