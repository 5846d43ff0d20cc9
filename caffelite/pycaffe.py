"""Net as pycaffe has it: blobs and layers by name, views of them, callbacks. Source: python/caffe/pycaffe.py."""

from __future__ import annotations

import logging
import operator
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from caffelite import pycaffe_batches
from caffelite.core import random, ranks
from caffelite.core.blob import Array, Blob, number_type
from caffelite.core.errors import CaffeliteError, PrototxtError, UnknownNameError, UsageError, WeightsError, printable
from caffelite.core.files import file_problem
from caffelite.core.fixed import ByBlob, ByLayer, Params, fixed_property
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.layer_files import Paths, load_layers
from caffelite.core.net import net as engine
from caffelite.core.net.net import Phase
from caffelite.core.net.pinning import PinningBlobs
from caffelite.core.net.plan import with_location
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.core.prototxt.unknown_fields import allowing_unknown_fields
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.vectors import BlobVec, LayerVec
from caffelite.core.weights import caffemodel
from caffelite.core.weights.formats import BINARY, HDF5, copy_trained_layers
from caffelite.proto import caffe_pb2
from caffelite.pycaffe_arrays import fits, list_of_names, numbers, shape_advice
from caffelite.pycaffe_callbacks import Callback, Callbacks
from caffelite.pycaffe_indices import IndexedNet

if TYPE_CHECKING:
    from caffelite.inspection.explain import Explanation
    from caffelite.inspection.statistics import Table
    from caffelite.inspection.summary import Summary
    from caffelite.inspection.why.why import Why
    from caffelite.pictures.figure import Picture

log = logging.getLogger("caffelite")

NetworkFile = str | os.PathLike[str] | bytes
WeightsFile = str | os.PathLike[str] | bytes

_SOLVERS = ("SGDSolver", "NesterovSolver", "AdaGradSolver", "RMSPropSolver", "AdaDeltaSolver", "AdamSolver")


class Net(IndexedNet):
    """A net of one phase, ready to run.

    `network_file` is the path of a prototxt, or a NetParameter; `phase` is TRAIN or TEST; `level` and `stages` are what
    the layers' include and exclude rules are tested against; `weights` is a caffemodel to start from. Blobs are
    float32, float64 on request. With `python_layers=False` a net that would load code, in layers of type Python, is
    refused.
    Layers that read databases decode images in `data_workers` threads each (None: as CAFFELITE_DATA_WORKERS in the
    environment says, else one a core); what is read does not depend on it. A record that cannot be read is an error,
    or, with `on_bad_record="skip"`, left out and counted.
    `layers` are Python files, one or several, that register layer types of the user's own; see register_layer.
    Fields that nobody knows are an error, or, with `allow_unknown_fields`, left out with a warning, unless they look
    like misspellings.
    `Net(file, weights_file, phase)`, the old form, works too.

    A layer that works in place directly on a blob of an Input layer writes over what the user filled in, as in Caffe:
    fill the blob before each pass, or give the layer a top of its own.

    Raises PrototxtError, NetError or LayerError with file and line for a net that cannot work.
    """

    def __init__(
        self,
        network_file: NetworkFile | caffe_pb2.NetParameter,
        phase: Phase | WeightsFile,
        level: int | None = None,
        stages: Iterable[str] | None = None,
        weights: WeightsFile | None = None,
        *,
        dtype: npt.DTypeLike = np.float32,
        seed: int | None = None,
        python_layers: bool = True,
        data_workers: int | None = None,
        on_bad_record: str = "stop",
        layers: Paths | Iterable[Paths] | None = None,
        allow_unknown_fields: bool = False,
    ) -> None:
        load_layers(layers)
        if isinstance(phase, (str, bytes, os.PathLike)):
            if level is None or stages is not None or weights is not None:
                raise TypeError(f"phase is caffelite.TRAIN or caffelite.TEST, not {phase!r}")
            weights, phase, level = phase, level, None
            _tell_old_form(network_file, weights, phase)
        if phase not in (caffe_pb2.TRAIN, caffe_pb2.TEST) or not isinstance(phase, SupportsIndex):
            raise TypeError(f"phase is caffelite.TRAIN or caffelite.TEST, not {phase!r}")
        if isinstance(stages, (str, bytes)):
            raise TypeError(f"stages is a list of names, as [{stages!r}]")
        stages = list(stages or ())
        if not all(isinstance(stage, (str, bytes)) for stage in stages):
            raise TypeError(f"stages is a list of names, not {stages!r}")
        with allowing_unknown_fields(allow_unknown_fields):
            draft, folder = _read(network_file)
        if weights is not None and (problem := file_problem(os.fsdecode(weights))):  # before the net is built
            raise WeightsError(problem)
        state_phase = caffe_pb2.TRAIN if phase == caffe_pb2.TRAIN else caffe_pb2.TEST
        param = with_caller_state(draft.param, state_phase, operator.index(level or 0), stages)
        context = Context(
            random.process_seed() if seed is None else random.checked_seed(seed),
            number_type(dtype),
            solver_rank=ranks.solver_rank(),
            solver_count=ranks.solver_count(),
            folder=folder,
            python_layers=python_layers,
            data_workers=data_workers,
            on_bad_record=on_bad_record,
        )
        super().__init__(draft.with_param(param), context)
        if weights is not None:
            self.copy_from(weights)

    # What the net is made of

    @fixed_property
    def layers(self) -> LayerVec:
        """All layers in order, inserted Splits among them; of a Python layer the object of the user's own class."""
        self._pin_params()
        return LayerVec(layer.exposed for layer in self.core_layers)

    @fixed_property
    def layer_dict(self) -> OrderedDict[str, Any]:
        """Of `layers` the one of each name; of equal names the last."""
        return ByLayer(zip(self.layer_names, self.layers, strict=True))

    @fixed_property
    def blobs(self) -> OrderedDict[str, Blob]:
        """Blob of each name, in the order in which layers make them. A blob taken from here is filled at each pass."""
        return PinningBlobs(zip(self._wiring.blob_names, self._blob_list, strict=True))

    @fixed_property
    def params(self) -> OrderedDict[str, BlobVec]:
        """Parameter blobs of each layer that has some: [0] weights, (outputs, inputs, ...), and [1] bias, (outputs)."""
        self._pin_params()
        return Params((layer.name, layer.blobs) for layer in self.core_layers if layer.blobs)

    def _pin_params(self) -> None:
        for layer in self.core_layers:
            for blob in layer.blobs:
                blob.pinned = True

    @fixed_property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """Names of each layer's tops."""
        return self._names_by_layer(self._wiring.top_ids)

    @fixed_property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """Names of each layer's bottoms; of a blob that is used several times, its copy."""
        return self._names_by_layer(self._wiring.bottom_ids)

    def _names_by_layer(self, ids: Sequence[Sequence[int]]) -> OrderedDict[str, list[str]]:
        names = self._wiring.blob_names
        return ByLayer((name, [names[i] for i in of]) for name, of in zip(self.layer_names, ids, strict=True))

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """Loss weight of each blob; 0 for most."""
        weights = self._loss_weights
        return ByBlob((name, weights.get(i, 0.0)) for i, name in enumerate(self._wiring.blob_names))

    # Looking inside: see caffelite/inspection/

    def __repr__(self) -> str:
        phase = "TEST" if self.phase == caffe_pb2.TEST else "TRAIN"
        sides = (("inputs", self.inputs), ("outputs", self.outputs))
        count = sum(param.count for param in self.learnable_params)
        ends = [f"; {side} {', '.join(names)}" for side, names in sides if names]
        text = f'Net "{self.name}" ({phase}): {len(self.layer_names)} layers, {count:,} parameters'
        return printable(f"<{text}{''.join(ends)}>")

    def _repr_html_(self) -> str:
        """Return the summary as a table, for notebooks."""
        return self.summary()._repr_html_()

    def summary(self) -> Summary:
        """Return a table of the layers: shapes, parameters, multiply-adds, memory, stride and receptive field."""
        from caffelite.inspection.summary import summary

        return summary(self)

    def explain(self, layer: str) -> Explanation:
        """Return what a layer computes: its formula with its numbers, and its products of matrices in both passes."""
        from caffelite.inspection.explain import explain

        return explain(self, layer)

    def why(self, blob: str, *index: int, depth: int = 1, diff: bool = False, follow: int = 3) -> Why:
        """Return what a value of a blob, or its gradient, is the sum of, `depth` layers down.

        `index` has a number for each axis of the blob; a layer's name stands for its top as that layer makes it, and
        with `diff` a parameter, such as "conv1[0]", for its gradient. Of the `follow` largest terms the inputs are
        taken apart, too, if `depth` is more than 1.
        """
        from caffelite.inspection.why.why import why

        return why(self, blob, *index, depth=depth, diff=diff, follow=follow)

    def statistics(self) -> Table:
        """Return mean, deviation, range and share of zeros of all tops and parameters, and of their diffs."""
        from caffelite.inspection.statistics import statistics

        return statistics(self)

    # Running

    @cached_property
    def _callbacks(self) -> Callbacks:
        """The callbacks, which observe the plan from the first one on."""
        callbacks = Callbacks()
        self.plan.observers.append(callbacks)
        return callbacks

    def add_callback(self, event: str, callback: Callback) -> None:
        """Call `callback(layer_index)` at each "before_forward", "after_forward", "before_backward", ...."""
        self._callbacks.add(event, callback)

    def before_forward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` before each layer runs forward."""
        self.add_callback("before_forward", callback)

    def after_forward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` after each layer ran forward."""
        self.add_callback("after_forward", callback)

    def before_backward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` before each layer's turn backward, whether it runs or not."""
        self.add_callback("before_backward", callback)

    def after_backward(self, callback: Callback) -> None:
        """Call `callback(layer_index)` after each layer's turn backward, whether it ran or not."""
        self.add_callback("after_backward", callback)

    def forward(
        self, blobs: list[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> dict[str, Array]:
        """Run the net, or layers `start` to `end` (names, both included), on `inputs`, one array for each input.

        Returns the outputs, or the tops of layer `end`, and further `blobs`: name -> array, a view that the next pass
        overwrites. Raises UsageError for an unknown layer and for inputs that are not those of the net or do not fit,
        UnknownNameError for an unknown blob.
        """
        first = 0 if start is None else self._layer_index(start)
        last = len(self.plan.layer_steps) - 1 if end is None else self._layer_index(end)
        names = self.outputs if end is None else self.top_names[end]
        if inputs:
            self._fill("data", inputs, self.inputs)
        if not self.plan.layer_steps:
            self.forward_pass()
        if first <= last:
            self.run_inserted_splits(first, last)
            self.forward_from_to(first, last)
        self.context.passes += 1
        return {name: self._blob(name).data for name in [*names, *list_of_names(blobs)]}

    def backward(
        self, diffs: list[str] | None = None, start: str | None = None, end: str | None = None, **top_diffs: Any
    ) -> dict[str, Array]:
        """Run the net backward from layer `start` down to `end`, starting from `top_diffs`, one array for each output.

        Returns the diffs of the inputs, or of the bottoms of layer `end`, and further `diffs`, views that the next pass
        overwrites. Gradients of parameters add up over calls. Raises what `forward` does.
        """
        first = len(self.plan.layer_steps) - 1 if start is None else self._layer_index(start)
        last = 0 if end is None else self._layer_index(end)
        names = self.inputs if end is None else self.bottom_names[end]
        if top_diffs:
            self._fill("diff", top_diffs, self.outputs)
        if first >= last:
            self.backward_from_to(first, last)
            self._warn_of_no_gradients(first, last, list_of_names(diffs))
        return {name: self._blob(name).diff for name in [*names, *list_of_names(diffs)]}

    def forward_all(self, blobs: list[str] | None = None, **inputs: Any) -> dict[str, Array]:
        """Run arrays of any number of rows through the net, batch by batch, the last filled up with zeros.

        Returns the outputs, and further `blobs`, with all rows, as copies. UsageError for arrays that are not equally
        long and for a blob without a row for each of the batch, such as a loss.
        """
        return pycaffe_batches.forward_all(self, blobs, inputs)

    def forward_backward_all(
        self, blobs: list[str] | None = None, diffs: list[str] | None = None, **arrays: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Do `forward_all` with the arrays named as inputs, and backward with those named as outputs.

        Returns the outputs and further `blobs`, and the diffs of the inputs and further `diffs`, all rows, as copies.
        """
        return pycaffe_batches.forward_backward_all(self, blobs, diffs, arrays)

    def _fill(self, part: str, arrays: dict[str, Any], names: list[str]) -> None:
        kind = "inputs" if part == "data" else "outputs"
        if set(arrays) != set(names):
            raise UsageError(f"the arrays given ({', '.join(sorted(arrays))}) are not the {kind} ({', '.join(names)})")
        for name, values in arrays.items():
            blob = self._blob(name)
            array = numbers(name, values)
            if not fits(array.shape, blob.shape):
                raise UsageError(shape_advice(name, part, array.shape, blob.shape))
            getattr(blob, part)[...] = array

    def _warn_of_no_gradients(self, first: int, last: int, names: list[str]) -> None:
        """Say once that a pass from layer `first` down to `last` ran nothing, or that inputs asked for got nothing."""
        advice = "" if self._force_backward else '; write "force_backward: true" in the net'
        if not any(self.layer_need_backward[last : first + 1]):
            ran = "no layer" if first - last + 1 == len(self.core_layers) else f"none of layers {last} to {first}"
            self.context.warn_once(
                "backward",
                f'net "{self.name}": backward() runs {ran}, since no loss depends on a parameter there, so all diffs '
                f"stay as they are{advice}",
            )
            return
        for name in names:
            if name in self.inputs and not self._gets_gradient(name):
                self.context.warn_once(
                    f"gradient {name}", f'net "{self.name}": backward() fills no diff of the input "{name}"{advice}'
                )

    def _gets_gradient(self, blob: str) -> bool:
        """Return whether a layer that runs backward fills the blob's diff."""
        wanted = self._wiring.blob_names.index(blob)
        return any(
            flag and blob_id == wanted
            for step, ids in zip(self.plan.layer_steps, self._wiring.bottom_ids, strict=True)
            if step.need_backward
            for blob_id, flag in zip(ids, step.propagate_down, strict=True)
        )

    def set_input_arrays(self, data: Array, labels: Array) -> None:
        """Let the MemoryData layer that begins the net read these arrays, (N, C, H, W) and (N), without copying them.

        Raises UsageError unless there is such a layer, LayerError naming the array for one that does not fit.
        """
        first = self.plan.layer_steps[0] if self.plan.layer_steps else None
        if first is None or first.layer.type != "MemoryData":
            raise UsageError(f'set_input_arrays: the first layer of net "{self.name}" must be of type MemoryData')
        try:
            first.layer.reset(data, labels)  # type: ignore[attr-defined]
        except CaffeliteError as err:
            raise with_location(err, first.layer.layer_param, first.layer.place) from None

    def _layer_index(self, name: str) -> int:
        if not isinstance(name, str):
            raise UsageError(f"start and end are names of layers, not {name!r}; see net._layer_names")
        if name not in self.layer_dict:
            raise UsageError(f'no layer "{name}"{self._makers(name) or did_you_mean(name, self.layer_names)}')
        return self.layer_names.index(name)

    def _makers(self, blob: str) -> str:
        """Return the hint that a name is a blob's, with the layers that make it; "" if there is no such blob."""
        names = self._wiring.blob_names
        tops_by_layer = [[names[i] for i in ids] for ids in self._wiring.top_ids]
        makers = [f'"{layer}"' for layer, tops in zip(self.layer_names, tops_by_layer, strict=True) if blob in tops]
        return f": it is a blob, made by layer {' and '.join(makers)}; name the layer" if makers else ""

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            tops = self.top_names.get(name)
            hint = f": it is a layer, its tops are {', '.join(tops)}" if tops else did_you_mean(name, self.blob_names)
            raise UnknownNameError(f'no blob "{name}"{hint}')
        return self.blobs[name]

    # Looking inside

    def show(self, kind: str, layer: str | None = None, sample: int = 0) -> Picture:
        """Return a matplotlib figure of "filters", "activations", "gradients" or "im2col", which notebooks show.

        `layer` names a layer or, for activations and gradients, a blob; without it the first layer with filters is
        taken. `sample` is the image of the batch. `figure.savefig("x.png")` writes it to a file. Raises UsageError or
        UnknownNameError for what cannot be shown, and without matplotlib (pip install 'caffelite[plot]').
        """
        from caffelite import pictures

        return pictures.show(self, kind, layer, sample)

    # Weights and state

    def copy_from(self, path: WeightsFile) -> None:
        """Read weights by layer name from a caffemodel, HDF5 or not; WeightsError, with shapes, if they do not fit."""
        copy_trained_layers(self.weight_layers(), os.fsdecode(path))

    def save(self, path: WeightsFile) -> None:
        """Write the weights to a caffemodel; an older file of that name is replaced only by a complete one."""
        BINARY.write_model(os.fsdecode(path), self.name, self.weight_layers(), False)

    def load_hdf5(self, path: WeightsFile) -> None:
        """Read weights that `save_hdf5` wrote, by layer name; WeightsError, both shapes named, if they do not fit."""
        HDF5.copy_model(self.weight_layers(), os.fsdecode(path), False)

    def save_hdf5(self, path: WeightsFile) -> None:
        """Write the weights to an HDF5 file; an older file of that name is replaced only by a complete one."""
        HDF5.write_model(os.fsdecode(path), self.name, self.weight_layers(), False)

    def to_proto(self, write_diff: bool = False) -> caffe_pb2.NetParameter:
        """Return name and layers with their parameters, as a caffemodel holds them."""
        return caffemodel.to_proto(self.name, self.weight_layers(), write_diff)

    def share_with(self, other: engine.Net) -> None:
        """Let the parameters' values be those of `other`'s layers of the same names; gradients stay separate.

        WeightsError, before anything is shared, if layers of one name have other parameters.
        """
        if not isinstance(other, engine.Net):
            raise TypeError(f"share_with takes another Net, not {other!r}")
        self.share_trained_layers_with(other)


def _read(network: NetworkFile | caffe_pb2.NetParameter) -> tuple[Draft, Path | None]:
    if isinstance(network, caffe_pb2.NetParameter):
        return Draft.of(network), None
    path = Path(os.fsdecode(network))
    if not os.fsdecode(network):
        raise PrototxtError("the name of the net's file is empty")
    param, lines, notes = load_net(path, layer_type_list())
    log_notes(notes)
    return Draft.of(param, lines), path.parent


def _tell_old_form(network: object, weights: object, phase: object) -> None:
    log.warning("DEPRECATION WARNING - deprecated use of Python interface")
    log.warning('Use this instead (with the named "weights" parameter):')
    log.warning("Net(%r, %s, weights=%r)", network, phase, weights)


def __getattr__(name: str) -> Any:
    """Load what pycaffe's module of this name has besides Net; the solvers need Net, so they come after it."""
    if name not in (*_SOLVERS, "NCCL", "Timer"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("caffelite._caffe"), name)
