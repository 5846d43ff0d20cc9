"""Are the gradients right? Compared with finite differences. Source: test/test_gradient_check_util.hpp."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.layer import Layer
from caffelite.core.user_layers import Noting
from caffelite.testing.layers import Bottom, as_blobs, layer_from, loss_weights, set_up

# What diffs hold before a backward pass: a bottom's must be overwritten, a parameter's added to.
BOTTOM_DIFF = 1000.0
PARAM_DIFF = 0.5


def check_gradient(
    layer_or_text: Layer | str,
    bottom: Sequence[Bottom],
    *,
    top_count: int | None = None,
    step: float = 1e-2,
    threshold: float = 1e-3,
    kink: float = 0.0,
    kink_range: float = -1.0,
    check_bottom: Sequence[int] | None = None,
    check_params: bool | Sequence[int] = True,
    check_top: Sequence[int] | None = None,
    objective: str = "exhaustive",
) -> None:
    """Raise AssertionError unless backward agrees with (f(x + step) - f(x - step)) / (2 step) for each input x.

    Agreement: |backward - difference| <= threshold * max(|backward|, |difference|, 1). The layer is set up here, on
    `bottom` (blobs or arrays); parameters it already has are kept. Layers should be float64, as `layer_from` makes
    them. Random masks repeat: pass number and the layer's state are the same before each forward.

    objective: what is differentiated.
        "exhaustive": twice each element of each top, one after another;
        "simple": half the sum of squares of all tops;
        "loss": the sum of the tops times their loss weights, as the layer's prototxt or type gives them.
    check_bottom: which bottoms to check; by default those that may have a gradient, [] for none.
    check_params: whether to check all parameters, or which.
    check_top: which tops the objective is made of; all by default.
    kink, kink_range: inputs with kink - kink_range <= |x| <= kink + kink_range are left out.
    """
    layer = layer_from(layer_or_text) if isinstance(layer_or_text, str) else layer_or_text
    bottoms = as_blobs(layer, bottom)
    tops = set_up(layer, bottoms, top_count)
    if check_bottom is None:
        check_bottom = [index for index in range(len(bottoms)) if layer.allow_force_backward(index)]
    if isinstance(check_params, bool):
        check_params = range(len(layer.blobs)) if check_params else []
    run = LayerRun(layer, bottoms, tops, range(len(tops)) if check_top is None else check_top, check_bottom)
    inputs = [Checked(f"bottom[{i}]", bottoms[i]) for i in check_bottom]
    inputs += [Checked(f"blobs[{i}]", layer.blobs[i]) for i in check_params]
    goals = OBJECTIVES[objective](run)
    computed = run.gradients(inputs, goals.top_diffs)
    for index, checked in enumerate(inputs):
        estimated = _differences(run, checked.blob, goals.values, step)
        wrong = ~(abs(computed[index] - estimated) <= threshold * _size(computed[index], estimated))
        wrong &= ~_near(checked.blob.data, kink, kink_range)
        if wrong.any():
            raise AssertionError(_report(checked, goals.names, computed[index], estimated, wrong, step))


class Checked(NamedTuple):
    """A bottom or parameter that is checked."""

    name: str
    blob: Blob


class _Objectives(NamedTuple):
    """Numbers made of the tops; "flat tops" are the data of all checked tops in one vector.

    values: flat tops to the numbers; top_diffs: for each number its derivative in the flat tops; names: of each number.
    """

    values: Callable[[Array], Array]
    top_diffs: Iterable[Array]
    names: Callable[[int], str]


class LayerRun:
    """A layer and its blobs as functions that give the same result each time."""

    def __init__(
        self, layer: Layer, bottom: list[Blob], top: list[Blob], checked_tops: Sequence[int], propagated: Sequence[int]
    ) -> None:
        self.layer, self.bottom, self.top = layer, bottom, top
        self.checked_tops = checked_tops
        self.propagate_down = [index in propagated for index in range(len(bottom))]
        self._passes = layer.context.passes
        self._state = copy.deepcopy(layer.get_state())

    def forward(self) -> Array:
        """Return the flat tops."""
        self.layer.context.passes = self._passes
        if self._state:
            self.layer.set_state(copy.deepcopy(self._state))
        if self.layer.reshape_every_pass:
            with Noting(self.layer, "reshape"):
                self.layer.reshape(self.bottom, self.top)
        with Noting(self.layer, "forward"):
            self.layer.forward(self.bottom, self.top)
        return np.concatenate([self.top[index].data.ravel() for index in self.checked_tops])

    def gradients(self, inputs: Sequence[Checked], top_diffs: Iterable[Array]) -> list[Array]:
        """Return for each input what backward makes of `top_diffs`, a row each."""
        self.forward()
        rows: list[list[Array]] = [[] for _ in inputs]
        for diffs in top_diffs:
            self._backward(diffs)
            for row, checked in zip(rows, inputs, strict=True):
                before = PARAM_DIFF if any(checked.blob is blob for blob in self.layer.blobs) else 0
                row.append(checked.blob.diff.ravel() - before)
        return [np.stack(row) for row in rows]

    def _backward(self, diffs: Array) -> None:
        for blob in self.top:
            blob.diff[...] = 0
        start = 0
        for index in self.checked_tops:
            top = self.top[index]
            top.diff[...] = diffs[start : start + top.count].reshape(top.shape)
            start += top.count
        for blobs, value in ((self.bottom, BOTTOM_DIFF), (self.layer.blobs, PARAM_DIFF)):
            for blob in blobs:
                blob.diff[...] = value
        with Noting(self.layer, "backward"):
            self.layer.backward(self.top, self.propagate_down, self.bottom)


def _exhaustive(run: LayerRun) -> _Objectives:
    shapes = [(index, run.top[index].shape) for index in run.checked_tops]
    places = [f"twice top[{index}]{_at(place)}" for index, shape in shapes for place in np.ndindex(shape)]

    def one_by_one() -> Iterable[Array]:
        for place in range(len(places)):
            diffs = np.zeros(len(places))
            diffs[place] = 2
            yield diffs

    return _Objectives(lambda tops: 2 * tops, one_by_one(), places.__getitem__)


def _simple(run: LayerRun) -> _Objectives:
    return _Objectives(
        lambda tops: np.array([tops @ tops / 2]), [run.forward()], lambda _: "half the sum of squares of the tops"
    )


def _loss(run: LayerRun) -> _Objectives:
    given = loss_weights(run.layer)
    assert any(given), f"{run.layer.type} has no loss weight; write loss_weight: 1 or choose another objective"
    weights = np.concatenate([np.full(run.top[index].count, given[index]) for index in run.checked_tops])
    return _Objectives(lambda tops: np.array([weights @ tops]), [weights], lambda _: "the loss")


OBJECTIVES: dict[str, Callable[[LayerRun], _Objectives]] = {"exhaustive": _exhaustive, "simple": _simple, "loss": _loss}


def _differences(run: LayerRun, blob: Blob, values: Callable[[Array], Array], step: float) -> Array:
    """Return the slope of each objective (rows) in each element of `blob` (columns): two forwards an element."""
    data = blob.data.reshape(-1)
    columns = []
    for place in range(blob.count):
        kept = data[place]
        data[place] = kept + step
        above = values(run.forward())
        data[place] = kept - step
        below = values(run.forward())
        data[place] = kept
        columns.append((above - below) / (2 * step))
    return np.stack(columns, axis=1)


def _size(computed: Array, estimated: Array) -> Array:
    larger: Array = np.maximum(abs(computed), abs(estimated))
    return larger.clip(1)


def _near(data: Array, kink: float, kink_range: float) -> Array:
    distance = abs(data.ravel())
    return np.logical_and(kink - kink_range <= distance, distance <= kink + kink_range)


def _report(
    checked: Checked, names: Callable[[int], str], computed: Array, estimated: Array, wrong: Array, step: float
) -> str:
    errors = np.where(wrong, abs(computed - estimated) / _size(computed, estimated), -1)
    row, column = np.unravel_index(np.argmax(np.nan_to_num(errors, nan=np.inf)), errors.shape)
    shape: Shape = checked.blob.shape
    place = np.unravel_index(column, shape) if shape else ()
    return (
        f"wrong gradient of {names(int(row))} in {checked.name}{_at(place)}, which is {checked.blob.data[place]:.9g}: "
        f"backward gives {computed[row, column]:.9g}, differences give {estimated[row, column]:.9g} (step {step:g}); "
        f"{np.count_nonzero(wrong)} of {wrong.size} differ"
    )


def _at(place: Iterable[Any]) -> str:
    """Write a place as an index: [1, 0, 2]; nothing for a scalar."""
    indices = [int(index) for index in place]
    return str(indices) if indices else ""
