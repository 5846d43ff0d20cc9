"""Plan: what a net runs, step by step. A step is a layer with its blobs, or one that stands for several layers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, Protocol

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.errors import CaffeliteError, LayerError, OutOfMemoryError
from caffelite.core.layer import Layer
from caffelite.core.net.top_memory import BottomCopy, KeptTop, LossDiff, OwnMemory
from caffelite.core.prototxt.lines import Place, at_layer
from caffelite.core.user_layers import Noting
from caffelite.proto.caffe_pb2 import LayerParameter


class Step(Protocol):
    """What a plan runs: one layer, or a fusion of several."""

    need_backward: bool

    def forward(self) -> float:
        """Fill the tops; return the part of the loss that is made here."""

    def backward(self) -> None:
        """Compute gradients of bottoms and add those of parameters."""


class Observer:
    """Looks on while a plan runs, layer by layer; numbers are those of the layers. Override what is of interest."""

    def before_forward(self, index: int) -> None:
        """Look, before the layer runs forward."""

    def after_forward(self, index: int) -> None:
        """Look, after the layer ran forward."""

    def before_backward(self, index: int) -> None:
        """Look, before the layer's turn backward, whether it runs or not."""

    def after_backward(self, index: int) -> None:
        """Look, after the layer's turn backward, whether it ran or not."""


class Run(NamedTuple):
    """Layers `first` to `last`, both included, and the step that stands for them in a pass over all of them.

    `inner` are the blobs that the step need not fill.
    """

    first: int
    last: int
    step: Step
    inner: tuple[Blob, ...] = ()


class Plan:
    """The steps of a net in their order: first one a layer; fusions replace runs of them.

    `layer_steps` stay one a layer, for passes that begin or end inside a fused run, have observers, or must fill a
    pinned blob inside it. `final_after[i]` is the number of elements at the arena's beginning whose gradients are final
    once layer i had its turn backward: those of the parameters that layer i and the layers behind it own.
    `loss_diffs` are those of all steps.

    ran_forward, ran_backward: layers before the one, and from the other on, have run since the plan was made.
    """

    def __init__(
        self,
        layer_steps: Sequence[LayerStep],
        final_after: Sequence[int] = (),
        loss_diffs: Sequence[LossDiff] = (),
    ) -> None:
        self.layer_steps = tuple(layer_steps)
        self.final_after = tuple(final_after)
        self._loss_diffs = tuple(loss_diffs)
        self.observers: list[Observer] = []
        self.ran_forward, self.ran_backward = 0, len(self.layer_steps)
        self._run_of = [Run(i, i, step) for i, step in enumerate(self.layer_steps)]  # by layer

    @property
    def runs(self) -> list[Run]:
        """The steps with the layers that each stands for, in order."""
        return [run for index, run in enumerate(self._run_of) if run.first == index]

    def run_of(self, index: int) -> Run:
        """Return the step that layer `index` belongs to."""
        return self._run_of[index]

    def replace(self, run: Run) -> None:
        """Let the run's step run instead of its layers, which keep their own steps beside it.

        The run covers whole runs of the plan. Its forward leaves everything that the layers' own backward reads, since
        a pass back may be observed when the pass forward was not.
        """
        assert self._run_of[run.first].first == run.first and self._run_of[run.last].last == run.last
        self._run_of[run.first : run.last + 1] = [run] * (run.last + 1 - run.first)

    def forward(self, first: int, last: int) -> float:
        """Run layers `first` to `last`, both included; return the sum of their losses."""
        if self.observers:
            return self._observed_forward(first, last)
        loss = 0.0
        for run in self._runs_in(first, last):
            loss += run.step.forward()
            self.ran_forward = max(self.ran_forward, run.last + 1)
        return loss

    def backward(self, first: int, last: int) -> None:
        """Run backward layers `last` down to `first`, both included, those that need it."""
        if self.observers:
            self._observed_backward(first, last)
        else:
            for run in reversed(self._runs_in(first, last)):
                if run.step.need_backward:
                    run.step.backward()
                self.ran_backward = min(self.ran_backward, run.first)
        for diff in self._loss_diffs:
            diff.note_left()

    def _runs_in(self, first: int, last: int) -> list[Run]:
        """Return what runs layers `first` to `last`: the plan's runs, or layer by layer where one cannot be used."""
        runs = []
        index = first
        while index <= last:
            run = self._run_of[index]
            if run.first != index or run.last > last or any(blob.pinned for blob in run.inner):
                run = Run(index, index, self.layer_steps[index])
            runs.append(run)
            index = run.last + 1
        return runs

    def _observed_forward(self, first: int, last: int) -> float:
        loss = 0.0
        for index in range(first, last + 1):
            for observer in self.observers:
                observer.before_forward(index)
            loss += self.layer_steps[index].forward()
            self.ran_forward = max(self.ran_forward, index + 1)
            for observer in self.observers:
                observer.after_forward(index)
        return loss

    def _observed_backward(self, first: int, last: int) -> None:
        for index in range(last, first - 1, -1):
            for observer in self.observers:
                observer.before_backward(index)
            if self.layer_steps[index].need_backward:
                self.layer_steps[index].backward()
            self.ran_backward = min(self.ran_backward, index)
            for observer in self.observers:
                observer.after_backward(index)


@dataclass
class LayerStep:
    """One layer with its blobs.

    `loss_weights` has one entry a top. `need_backward` says whether a backward pass runs it, `propagate_down` which
    bottoms then get a gradient. `bottom_copies` are, by index, the bottoms that the layer gets as copies.
    """

    layer: Layer
    bottom: list[Blob]
    top: list[Blob]
    loss_weights: list[float] = field(default_factory=list)
    need_backward: bool = False
    propagate_down: list[bool] = field(default_factory=list)
    bottom_copies: dict[int, BottomCopy] = field(default_factory=dict)
    own_memory: list[OwnMemory] = field(default_factory=list)  # of tops that an in-place layer works on
    kept_tops: list[KeptTop] = field(default_factory=list)
    loss_diffs: list[LossDiff] = field(default_factory=list)  # of weighted tops that the layer works on in place
    _shapes: list[Shape] = field(default_factory=list)
    _weighted: list[tuple[Blob, float]] = field(default_factory=list)
    _loss_diffs: list[Array] = field(default_factory=list)

    def note_shapes(self) -> None:
        """Take the bottoms' shapes as those that the layer was set up for, and give weighted tops their weights."""
        self._weighted = [(blob, weight) for blob, weight in zip(self.top, self.loss_weights, strict=True) if weight]
        self._shapes = [blob.shape for blob in self.bottom]
        self._fill_loss_diffs()

    def reshape(self) -> None:
        """Let the layer shape its tops, if a bottom's shape changed since the last time or it asks for it always."""
        for copy in self.bottom_copies.values():
            copy.reshape()
        shapes = [blob.shape for blob in self.bottom]
        if shapes == self._shapes and not self.layer.reshape_every_pass:
            return
        with Naming(self.layer, "reshape"):
            self.layer.reshape(self.bottom, self.top)
            for copy in self.bottom_copies.values():
                copy.check()
        self._shapes = shapes
        self._fill_loss_diffs()

    def forward(self) -> float:
        """Shape and fill the tops; return the sum of loss weight x value over the weighted ones."""
        for top in self.own_memory:
            top.give_back()
        for diff in self.loss_diffs:
            diff.put_back()
        self.reshape()
        for copy in self.bottom_copies.values():
            copy.take()
        with Naming(self.layer, "forward"):
            self.layer.forward(self.bottom, self.top)
        for top in self.own_memory:
            top.take()
        for kept in self.kept_tops:
            kept.keep()
        loss = 0.0
        for blob, weight in self._weighted:
            loss += weight * float(blob.data.sum())
        return loss

    def backward(self) -> None:
        """Compute the gradients of the bottoms in `propagate_down` and add those of the parameters."""
        for diff in self.loss_diffs:
            diff.put_back()
            diff.put_aside()
        with Naming(self.layer, "backward"):
            if self.kept_tops:
                with ExitStack() as shown:
                    for kept in self.kept_tops:
                        shown.enter_context(kept.shown())
                    self._layer_backward()
            else:  # almost always; an ExitStack takes as long as a small layer's arithmetic
                self._layer_backward()
        for index, copy in self.bottom_copies.items():
            if self.propagate_down[index] or not self.layer.has_backward:
                copy.give_gradient()

    def _layer_backward(self) -> None:
        if self.layer.has_backward or any(self.propagate_down):
            self.layer.backward(self.top, self.propagate_down, self.bottom)

    def _fill_loss_diffs(self) -> None:
        """Fill the diff of each weighted top with its weight where the storage is not the one filled before.

        What the user writes there stays; storage that was replaced has lost the weight.
        """
        filled = {id(storage) for storage in self._loss_diffs}
        self._loss_diffs = [blob.diff_storage() for blob, _ in self._weighted]
        for storage, (_, weight) in zip(self._loss_diffs, self._weighted, strict=True):
            if id(storage) not in filled:
                storage.fill(weight)


def final_after(owners: Sequence[int], offsets: Sequence[int], size: int, layers: int) -> list[int]:
    """Return, for each of `layers`, how much of an arena of `size` elements is final when the layer ran backward.

    owners, offsets: for each learnable parameter the first layer that uses it, which runs backward last of them, and
    where it begins. Those of the last layers come first in the arena.
    """
    begins = [size] * layers  # where the parameters of a layer do
    for owner, offset in zip(owners, offsets, strict=True):
        begins[owner] = min(begins[owner], offset)
    return list(accumulate([size, *begins[:-1]], min))[:layers]


class Naming(Noting):
    """What a layer's method raises in the block names the layer: an error of ours in front, another in a note."""

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, traceback: object) -> None:
        if isinstance(err, (CaffeliteError, MemoryError)):
            raise with_location(err, self.layer.layer_param, self.layer.place) from err.__cause__
        super().__exit__(kind, err, traceback)


def with_location(err: CaffeliteError | MemoryError, layer: LayerParameter, place: Place | None) -> CaffeliteError:
    """Return the error with the layer's file, line, name and type in front, unless it has them already.

    A MemoryError of numpy's or a kernel's becomes one of ours.
    """
    if not isinstance(err, CaffeliteError):
        err = OutOfMemoryError(f"out of memory: {str(err) or 'use a smaller batch_size, num_output or input'}")
    if isinstance(err, LayerError):
        err.where = err.where or at_layer(layer, place, err.field)
    elif not getattr(err, "located", False):
        err.args = (at_layer(layer, place) + str(err), *err.args[1:])
        err.located = True  # type: ignore[attr-defined]
    return err
