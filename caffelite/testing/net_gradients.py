"""The gradients of every layer of a net, each looked at with the bottoms that the net gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from caffelite.core import random
from caffelite.core.blob import Array, Blob
from caffelite.core.errors import CaffeliteError, UnknownNameError
from caffelite.core.layer import Context, Layer, make_layer, setup_layer
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.core.net.net import Net
from caffelite.core.net.plan import LayerStep, Observer
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.sharing import lr_mults_of
from caffelite.core.net.without_data import without_data
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto.caffe_pb2 import LayerParameter
from caffelite.testing.gradient_check import Checked, LayerRun

SAMPLES = 20  # numbers that are moved, of each blob
STEPS = (1e-4, 1e-2, 1e-6)  # right is what agrees for one: large steps see curves and kinks, small ones rounding errors
THRESHOLD = 1e-3
# Gradients are compared at least with this share of the largest of their blob: what is near 0 among larger ones has the
# rounding errors of these.
SHARE = 1e-3
BATCH = 2  # images, in place of data that is not there
RIGHT, WRONG, KINKS, FAILED = "right", "WRONG", "kinks only", "FAILED"
MOVE_VALUES = ("Concat", "Flatten", "Reshape", "Slice", "Split", "Tile")  # labels, too
EVALUATE = ("Accuracy", "Silence")
FIRST_TOP_ONLY = ("Pooling", "BN")  # of several tops; the mask of the places and statistics have no gradient


class BlobCheck(NamedTuple):
    """What was found of one bottom or parameter of a layer.

    checked: numbers that were moved, of which `kinks` lie where the function has one, so that any slope between those
    of its sides is right. worst: the largest error, relative to the gradient. `detail` says where that is, or what the
    layer raised; verdict: RIGHT, WRONG, KINKS (all of them) or FAILED.
    """

    layer: str
    type: str
    blob: str
    checked: int
    kinks: int
    worst: float
    verdict: str
    detail: str = ""


Report = Callable[[BlobCheck], object]


def check_net_gradients(
    draft: Draft,
    report: Report,
    context: Context | None = None,
    only: str = "",
    samples: int = SAMPLES,
    shapes: dict[str, tuple[int, ...]] | None = None,
) -> bool:
    """Return whether the gradients of all layers, or of the layer `only`, are right; `report` gets each as it is found.

    The net, whose state is `draft.param.state`, runs forward once in float64, with random numbers for data that is not
    there and for weights without a filler. Raises UnknownNameError for a layer that it has not.
    """
    context = replace(context or Context(), dtype=np.dtype(np.float64))
    made = without_data(draft, shapes, context.folder)
    layers = list(made.draft.layers)
    for replacement in made.replacements:
        given = set(shapes or ()).intersection(replacement.shapes)
        layers[replacement.layer_index] = _smaller(layers[replacement.layer_index], given)
    net = Net(made.draft.with_layers(layers, made.draft.places), context)
    try:
        if only and only not in net.layer_names:
            raise UnknownNameError(f'the net has no layer "{only}"{did_you_mean(only, net.layer_names)}')
        rng = random.generator(context.seed, "check_gradient")
        _fill_inputs(net, rng)
        _fill_weights(net, rng)
        looker = _Looker(net, report, only, samples, rng)
        net.plan.observers.append(looker)
        net.forward_pass()
        return looker.all_right
    finally:
        net.close()


def _smaller(layer: LayerParameter, given: set[str]) -> LayerParameter:
    """Return an Input layer in place of data with a small batch, where the user gave no shape."""
    changed = LayerParameter()
    changed.CopyFrom(layer)
    if not given:
        for shape in changed.input_param.shape:
            shape.dim[0] = min(shape.dim[0], BATCH)
    return changed


def _fill_inputs(net: Net, rng: np.random.Generator) -> None:
    """Fill inputs with random numbers; labels, and what holds one number an item, which is taken for labels, stay 0."""
    values = _with_values(net)
    for step in net.plan.layer_steps:
        if step.layer.is_input:
            for blob in step.top:
                if blob.num_axes > 1 and id(blob) in values:
                    blob.data[...] = rng.normal(size=blob.shape)


def _with_values(net: Net) -> set[int]:
    """Return the ids of the blobs that some layer reads as more than labels or indices, which have no gradient."""
    found: set[int] = set()
    for index in reversed(range(len(net.plan.layer_steps))):
        layer, tops = net.plan.layer_steps[index].layer, net.tops(index)
        moved = layer.type in MOVE_VALUES and any(id(top) in found for _, top in tops)
        for number, (_, blob) in enumerate(net.bottoms(index)):
            if layer.allow_force_backward(number) and (moved or layer.type not in MOVE_VALUES + EVALUATE):
                found.add(id(blob))
    return found


def _fill_weights(net: Net, rng: np.random.Generator) -> None:
    """Give weights that are all 0 random values: with them most gradients are 0, and right by chance."""
    for param in net.learnable_params:
        blob = param.blob
        if blob.num_axes > 1 and not blob.data.any():
            blob.data[...] = rng.normal(size=blob.shape) / np.sqrt(blob.count / blob.shape[0])


class _Looker(Observer):
    """Checks each layer just before it runs, with copies of its bottoms."""

    def __init__(self, net: Net, report: Report, only: str, samples: int, rng: np.random.Generator) -> None:
        self.net, self.report, self.only, self.samples, self.rng = net, report, only, samples, rng
        self.all_right = True

    def before_forward(self, index: int) -> None:
        """Check the layer, unless it has no gradient, or another one is asked for."""
        step = self.net.plan.layer_steps[index]
        if not step.layer.has_backward or not step.top or self.only not in ("", step.layer.name):
            return
        for found in self._found(step):
            self.all_right &= found.verdict not in (WRONG, FAILED)
            self.report(found)

    def _found(self, step: LayerStep) -> Iterator[BlobCheck]:
        try:
            yield from _check_layer(step, self.samples, self.rng)
        except Exception as err:  # whatever the user's code raises is what is wrong with it
            if isinstance(err, CaffeliteError) or step.layer.type == "Python":
                detail = f"{type(err).__name__}: {err}"
                yield BlobCheck(step.layer.name, step.layer.type, "", 0, 0, np.nan, FAILED, detail)
            else:
                raise


def _check_layer(step: LayerStep, samples: int, rng: np.random.Generator) -> Iterator[BlobCheck]:
    """Yield what is found of a layer, made anew beside the net."""
    original = step.layer
    layer = _copy_of(original)
    bottom = [_copied(blob) for blob in step.bottom]
    top = [Blob(dtype=original.dtype) for _ in step.top]
    setup_layer(layer, bottom, top)
    for blob, values in zip(layer.blobs, original.blobs, strict=True):
        blob.data[...] = values.data
    tops = [0] if isinstance(layer, LossLayer) or layer.type in FIRST_TOP_ONLY else range(len(top))
    propagated = _bottoms_to_check(step)
    run = LayerRun(layer, bottom, top, tops, propagated)
    rates = lr_mults_of(original.layer_param, len(layer.blobs))
    inputs = [Checked(f"bottom[{i}]", bottom[i]) for i in propagated]
    inputs += [Checked(f"blobs[{i}]", layer.blobs[i]) for i, rate in enumerate(rates) if rate]
    if inputs:
        weights = rng.uniform(0.5, 1.5, run.forward().size) * rng.choice((-1, 1))
        for checked, rows in zip(inputs, run.gradients(inputs, [weights]), strict=True):
            yield _check_blob(run, original, checked, rows[0], weights, samples, rng)


def _copy_of(layer: Layer) -> Layer:
    param = LayerParameter()
    param.CopyFrom(layer.layer_param)
    if param.HasField("lstm_param"):
        param.lstm_param.ClearField("clipping_threshold")  # what is clipped is no derivative
    made = make_layer(param, replace(layer.context), layer.place)
    made.place = layer.place
    return made


def _copied(blob: Blob) -> Blob:
    copy = Blob(blob.shape, blob.dtype)
    copy.data[...] = blob.data
    return copy


def _bottoms_to_check(step: LayerStep) -> list[int]:
    """Return the bottoms that may have a gradient; of a Python layer, which cannot say, those that the net needs."""
    allowed = [index for index in range(len(step.bottom)) if step.layer.allow_force_backward(index)]
    if step.layer.type == "Python" and any(step.propagate_down):
        return [index for index in allowed if step.propagate_down[index]]
    return allowed


def _check_blob(
    run: LayerRun,
    layer: Layer,
    checked: Checked,
    computed: Array,
    weights: Array,
    samples: int,
    rng: np.random.Generator,
) -> BlobCheck:
    places = _places(computed, samples, rng)
    slopes = _Slopes(run, checked.blob, weights)
    central = np.array([slopes.between(place, -STEPS[0], STEPS[0]) for place in places])
    floor = max(SHARE * float(abs(central).max(initial=0)), 1e-12)
    worst, detail, kinks = 0.0, "", 0
    for place, estimated in zip(places, central, strict=True):
        value = float(computed[place])
        error = _error(value, estimated, floor)
        if not error <= THRESHOLD and slopes.has_kink(place, value, floor):
            kinks += 1
            continue
        for step in STEPS[1:]:
            if not error <= THRESHOLD:
                error = min(error, _error(value, slopes.between(place, -step, step), floor))
        if not error <= worst:
            worst = error
            detail = (
                f"{checked.name}{_at(place, checked.blob)}: backward gives {value:.6g}, differences {estimated:.6g}"
            )
    verdict = KINKS if kinks == len(places) > 0 else RIGHT if worst <= THRESHOLD else WRONG
    return BlobCheck(
        layer.name, layer.type, checked.name, len(places), kinks, worst, verdict, detail if verdict == WRONG else ""
    )


def _places(computed: Array, samples: int, rng: np.random.Generator) -> Array:
    """Return which numbers to move: half of them at random among those with a gradient, the rest among all."""
    with_gradient = np.flatnonzero(computed)
    half = rng.choice(with_gradient, min(samples // 2, with_gradient.size), replace=False)
    others = np.setdiff1d(np.arange(computed.size), half)
    rest = rng.choice(others, min(samples - half.size, others.size), replace=False)
    return np.sort(np.concatenate([half, rest]))


def _error(computed: float, estimated: float, floor: float) -> float:
    """Return the error relative to the larger of the two; inf if one is no number."""
    error = abs(computed - estimated) / max(abs(computed), abs(estimated), floor)
    return float(error) if np.isfinite(error) else np.inf


def _at(place: int, blob: Blob) -> str:
    return str([int(index) for index in np.unravel_index(place, blob.shape)]) if blob.shape else ""


class _Slopes:
    """Slopes of the weighted sum of a layer's tops in single numbers of a blob."""

    def __init__(self, run: LayerRun, blob: Blob, weights: Array) -> None:
        self._run, self._data, self._weights = run, blob.data.reshape(-1), weights

    def between(self, place: int, below: float, above: float) -> float:
        """Return the slope between two steps from the number; tops that do not change cost no precision."""
        kept = self._data[place]
        tops, steps = [], []
        for step in (below, above):
            self._data[place] = kept + step
            steps.append(float(self._data[place]))
            tops.append(self._run.forward())
        self._data[place] = kept
        return float(self._weights @ (tops[1] - tops[0])) / (steps[1] - steps[0])

    def has_kink(self, place: int, computed: float, floor: float) -> bool:
        """Return whether the slopes on both sides differ however near one looks, and `computed` is one in between."""
        sides = []
        for step in (STEPS[0], STEPS[-1]):
            left, right = self.between(place, -step, 0), self.between(place, 0, step)
            if _error(left, right, floor) <= THRESHOLD:
                return False
            sides.append((left, right))
        (far_left, far_right), (left, right) = sides
        is_jump = abs(right - left) > abs(far_right - far_left) / 2  # a curve's two slopes come together
        slack = THRESHOLD * max(abs(left), abs(right), floor)
        return is_jump and min(left, right) - slack <= computed <= max(left, right) + slack
