"""All problems of one net: it is built without its data, again and again without the layers that cannot be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from caffelite.checking.alone import errors_alone
from caffelite.checking.problems import ERROR, NOTE, WARNING, Problem, Records, logged
from caffelite.checking.tops import has_loss, unused_tops
from caffelite.core.blob import Shape
from caffelite.core.errors import CaffeliteError, LayerError, NetError, UnknownNameError
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.layers.data import check_data_param
from caffelite.core.layers.hdf5_data import check_hdf5_data_param
from caffelite.core.net.net import Net
from caffelite.core.net.plan import with_location
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import included
from caffelite.core.net.wiring.fork_fields import refuse_fork_fields
from caffelite.core.net.wiring.layer_types import check_types
from caffelite.core.net.wiring.unread import unread
from caffelite.core.net.without_data import WithoutData, without_data
from caffelite.core.prototxt.lines import Place
from caffelite.core.solver.findings import zero_weights
from caffelite.proto.caffe_pb2 import LayerParameter

Lost = list[tuple[LayerParameter, Place | None]]  # layers that depend on one at fault, and where they stand

MOST_ERRORS = 30  # then the net is given up: nobody reads more


@dataclass
class Options:
    """What the nets of one call share: shapes of data, blob -> shape, and whether Python layers may be run."""

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    python_layers: bool = True


@dataclass
class CheckedNet:
    """What was found, and the net; None if it cannot be built whole."""

    problems: list[Problem]
    net: Net | None


def check_net(
    draft: Draft, folder: Path | None, file: str, options: Options, mistaken: Collection[int] = ()
) -> CheckedNet:
    """Build the net whose state is `draft.param.state` and say all that is wrong with it.

    After an error the layers that depend on the one at fault are left out and looked at by themselves. `file` is named
    where a problem has no place. `mistaken` are layers that cannot be read whole: nothing is said of them.
    """
    files = list(dict.fromkeys([*(place.lines.file for place in draft.places if place is not None), file]))
    with logged() as records:
        builder = _Builder(draft, folder, options, records)
        builder.errors, unknown = _unknown_types(draft, mistaken)
        mistaken = {*mistaken, *unknown}
        net = builder.build(mistaken)
        fields = _of_fields(draft, mistaken)
    warnings = [*records.warnings, *fields.warnings, *builder.warnings]
    problems = [Problem.read(ERROR, text, files) for text in dict.fromkeys([*builder.errors, *fields.errors])]
    problems += [Problem.read(WARNING, text, files) for text in dict.fromkeys(warnings)]
    problems += [Problem.read(NOTE, text, files) for text in builder.notes]
    return CheckedNet(problems, net)


def _unknown_types(draft: Draft, mistaken: Collection[int]) -> tuple[list[str], list[int]]:
    """Return what is to be said of types that nobody knows, and the layers of these types.

    Of those of layers with other mistakes it was said.
    """
    known = layer_type_list()
    unknown = [
        index
        for index, layer in enumerate(draft.layers)
        if layer.type not in known and included(layer, draft.param.state)
    ]
    said = {draft.layers[index].type for index in mistaken}
    fresh = [index for index in unknown if draft.layers[index].type not in said]
    try:
        check_types(draft.with_layers([draft.layers[i] for i in fresh], [draft.places[i] for i in fresh]), known)
    except UnknownNameError as err:
        return str(err).splitlines(), unknown
    return [], unknown


class _Builder:
    def __init__(self, draft: Draft, folder: Path | None, options: Options, records: Records) -> None:
        self.draft, self.folder, self.options, self.records = draft, folder, options, records
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self._has_loss = has_loss(draft)

    def build(self, mistaken: Collection[int]) -> Net | None:
        """Return the net without the layers `mistaken`, or None after errors, which are kept."""
        draft, lost = _without(self.draft, mistaken)
        while True:
            errors, net = self._try(draft)
            self.errors += [text for text in errors if text not in self.errors]
            failed = _at_fault(draft, errors)
            if not failed or len(self.errors) >= MOST_ERRORS:
                break
            draft, more = _without(draft, failed)
            lost += more
        if net is not None:
            self._warn(net, draft.read_elsewhere, is_whole=not self.errors)
        for layer, place in lost:
            if len(self.errors) < MOST_ERRORS and layer.type != "Python":  # whose code may take any shapes
                self._look_at(layer, place)
        return None if self.errors else net

    def _look_at(self, layer: LayerParameter, place: Place | None) -> None:
        """Keep what is wrong with a layer whose bottoms are not known."""
        built: list[Net] = []

        def try_net(draft: Draft) -> list[str]:
            errors, net = self._try(draft)
            built.extend([net] if net else [])
            return errors

        with logged():  # warnings may be about shapes
            alone = self.draft.with_layers([layer], [place])
            errors = errors_alone(alone, 0, try_net)
        self.errors += [text for text in errors if text not in self.errors]
        if built:
            self._warn(built[0], self._read_below(layer), is_whole=False)

    def _read_below(self, layer: LayerParameter) -> set[str]:
        """Return what the layers below one read."""
        layers = self.draft.layers
        start = next(index for index, other in enumerate(layers) if other is layer) + 1
        below = (other for other in layers[start:] if included(other, self.draft.param.state))
        return {blob for other in below for blob in other.bottom}

    def _warn(self, net: Net, read_elsewhere: Collection[str], is_whole: bool) -> None:
        """Keep what can be said of a net, or of a part, of one that learns."""
        if not self._has_loss:
            return
        self.warnings += unused_tops(net, read_elsewhere)
        if not is_whole:  # of a whole one who trains it is told, with what else keeps it from learning
            self.warnings += map(str, zero_weights(net))

    def _try(self, draft: Draft) -> tuple[list[str], Net | None]:
        """Return the errors of one attempt, one a line, or the net."""
        try:
            made = without_data(draft, self.options.shapes, self.folder)
            self.notes += [text for text in _assumptions(draft, made) if text not in self.notes]
            context = Context(folder=self.folder, python_layers=self.options.python_layers)
            return [], Net(made.draft, context)
        except (CaffeliteError, MemoryError) as err:
            return str(err).splitlines(), None
        except Exception as err:
            note = next(iter([*getattr(err, "__notes__", []), *self.records.errors[-1:]]), "")
            if not note:
                raise  # none that a Python layer of the user's raised
            return [f"{note}: {type(err).__name__}: {err}".partition("\n")[0]], None


def _assumptions(draft: Draft, made: WithoutData) -> Iterator[str]:
    for index, type_, _, reason, assumed in made.replacements:
        if assumed:
            yield f'{draft.where(index, "top")}layer "{draft.layers[index].name}" ({type_}): {reason}; {assumed}'


class _Fields(NamedTuple):
    """What can be told from the fields of single layers."""

    errors: list[str]
    warnings: list[str]


def _of_fields(draft: Draft, mistaken: Collection[int]) -> _Fields:
    """Look at each layer but those `mistaken` by itself: some were replaced, and others left out after an error."""
    found = _Fields([], [])
    for index, (layer, place) in enumerate(zip(draft.layers, draft.places, strict=True)):
        if index in mistaken or not included(layer, draft.param.state):
            continue
        alone = draft.with_layers([layer], [place])
        try:
            refuse_fork_fields(alone)
            found.warnings.extend(unread(alone))
            if layer.type == "Data":
                check_data_param(layer.data_param)
            elif layer.type == "HDF5Data":
                check_hdf5_data_param(layer.hdf5_data_param)
        except LayerError as err:
            found.errors.append(str(with_location(err, layer, place)))
        except NetError as err:
            found.errors.extend(str(err).splitlines())
    return found


def _at_fault(draft: Draft, errors: Collection[str]) -> set[int]:
    """Return the layers in whose lines the errors are."""
    starts = {}
    for index, place in enumerate(draft.places):
        if place is not None:
            starts[index] = place.lines.file, place.lines.line(place.prefix) or 0
    files = list(dict.fromkeys(file for file, _ in starts.values()))
    failed: set[int] = set()
    for text in errors:
        problem = Problem.read(ERROR, text, files or [""])
        lines = [line for file, line in starts.values() if file == problem.file and line <= problem.line]
        if problem.line and lines:
            here = [index for index, start in starts.items() if start == (problem.file, max(lines))]
            named = [index for index in here if f'"{draft.layers[index].name}"' in text]
            failed.update(named or here)  # several layers may stand on one line
    return failed


def _without(draft: Draft, failed: Collection[int]) -> tuple[Draft, Lost]:
    """Return the draft without these layers and those that depend on them, and the latter.

    Who reads the top of a layer that works in place, and failed, gets that of the layer before: its shape is the same.
    """
    made: set[str] = set()
    lost: set[str] = set()
    kept, dependent = [], []
    by_rules: dict[str, str] = {}
    for index, layer in enumerate(draft.layers):
        if not included(layer, draft.param.state):
            by_rules.update(dict.fromkeys(layer.top, draft.named(index)))
            continue
        if index in failed or lost.intersection(layer.bottom):
            lost.update(top for top in layer.top if top not in made)
            if index not in failed:
                dependent.append((layer, draft.places[index]))
        else:
            kept.append(index)
            made.update(layer.top)
            lost.difference_update(layer.top)
    left_out = [*(draft.layers[index] for index in failed), *(layer for layer, _ in dependent)]
    layers, places = [draft.layers[index] for index in kept], [draft.places[index] for index in kept]
    rest = draft.with_layers(layers, places, left_out={**draft.left_out, **by_rules})
    read_elsewhere = draft.read_elsewhere.union(*(layer.bottom for layer in left_out))
    return replace(rest, read_elsewhere=read_elsewhere), dependent
