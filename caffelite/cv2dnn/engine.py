"""Engine: the caffelite net behind a cv2.dnn net, built when its inputs have shapes, with its parameters."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffelite import pycaffe
from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.errors import LayerError, NetError, WeightsError
from caffelite.core.layer import Context
from caffelite.core.net.layer_times import LayerTimes
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.weights.caffemodel import read_layers
from caffelite.core.weights.formats import HDF5, copy_trained_layers, format_of
from caffelite.cv2dnn import detections
from caffelite.cv2dnn.nodes import Nodes, Pin
from caffelite.cv2dnn.user_layers import Job, class_of, registered_types
from caffelite.proto.caffe_pb2 import TEST, LayerParameter, NetParameter


class Shapes(NamedTuple):
    """Shapes of the inputs and of the outputs of a layer."""

    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


class Engine:
    """Runs the layers `nodes`; `weights` is the path of a caffemodel, or None."""

    def __init__(self, nodes: Nodes, weights: str | os.PathLike[str] | None, folder: Path | None) -> None:
        """Build the net if the file gives the shapes of all inputs; else, or if they do not fit, when inputs are set.

        Raises NetError for what is wrong whatever is set, WeightsError for what is no caffemodel.
        """
        self.nodes, self.weights, self.folder = nodes, weights, folder
        self.unfilled: set[int] = set()
        self.ticks = 0  # nanoseconds that the last pass took
        self._stored: dict[str, list[Array]] = {}
        if weights is not None and format_of(weights) is not HDF5:
            layers = read_layers(weights)
            self._stored = {layer.name: [b.data.reshape(b.shape) for b in layer.blobs] for layer in layers}
        # the classes of now: a script may take them back before it sets an input
        types = registered_types()
        self._user = {i: class_of(node.type) for i, node in enumerate(nodes.nodes, 1) if node.type in types}
        self._net: pycaffe.Net | None = None
        self._indices: list[int] = []
        if all(shape is not None for shape in nodes.inputs.values()):
            try:
                self._build({name: shape or () for name, shape in nodes.inputs.items()})
            except (LayerError, WeightsError):
                if not nodes.inputs:
                    raise  # nobody can set another size

    @property
    def is_built(self) -> bool:
        """Whether the caffemodel is not needed any more."""
        return self._net is not None

    def net(self, shapes: Mapping[str, Shape]) -> pycaffe.Net:
        """Return the net, its inputs in these shapes; those that are not named stay as they are."""
        known = {**{name: shape for name, shape in self.nodes.inputs.items() if shape is not None}, **shapes}
        if self._net is None:
            if missing := [name for name in self.nodes.inputs if name not in known]:
                raise NetError(f'input "{missing[0]}" has no shape in the file; set it with setInput first')
            self._build(known)
        assert self._net is not None
        for name, shape in shapes.items():
            self._net.blobs[name].reshape(*shape)
        return self._net

    def _build(self, shapes: Mapping[str, Shape]) -> None:
        inputs = []
        for name, shape in shapes.items():
            layer = LayerParameter(name=self._free_name(name), type="Input", top=[name])
            layer.input_param.shape.add().dim.extend(shape)
            inputs.append(layer)
        layers = [self._layer(number) for number in range(1, len(self.nodes.nodes) + 1)]
        places = [None] * len(inputs) + [node.place for node in self.nodes.nodes]
        param = with_caller_state(NetParameter(name=self.nodes.name), TEST)
        draft = Draft.of(param).with_layers([*inputs, *layers], places)
        net = pycaffe.Net.from_draft(draft, Context(folder=self.folder))
        self._indices = [node.index for node in net.graph().nodes][len(inputs) :]
        self._fill(net)
        self._net = net

    def _free_name(self, name: str) -> str:
        taken = {node.layer.name for node in self.nodes.nodes}
        while name in taken:
            name += " (input)"
        return name

    def _layer(self, number: int) -> LayerParameter:
        node = self.nodes.nodes[number - 1]
        if number not in self._user:
            return detections.prior_box(node.layer) if node.type == "PriorBox" else node.layer
        job = Job(self._user[number], node.layer, self.stored(number))
        return job.as_python_layer(node.layer)

    def _fill(self, net: pycaffe.Net) -> None:
        """Copy the parameters, and note the layers that get none."""
        layers = net.weight_layers()
        if self.weights is not None:
            whole = format_of(self.weights) is HDF5
            mine = [layer for i, layer in enumerate(layers) if i not in {self._indices[u - 1] for u in self._user}]
            if any(layer.blobs for layer in mine):
                copy_trained_layers(mine, self.weights, all_needed=whole)
        for number, index in enumerate(self._indices, 1):
            node, owns = self.nodes.nodes[number - 1], any(layers[index].owned)
            have = len(node.layer.blobs) or self._stored.get(node.layer.name) or number in self._user
            if owns and not have and not (self.weights is not None and format_of(self.weights) is HDF5):
                self.unfilled.add(number)

    def blobs(self, number: int, shapes: Mapping[str, Shape]) -> list[Blob]:
        """Return the parameters of layer `number`."""
        return list(self.net(shapes).core_layers[self._indices[number - 1]].blobs)

    def stored(self, number: int) -> list[Array]:
        """Return the parameters of a layer that a class of the user's computes."""
        return self._stored.get(self.nodes.nodes[number - 1].layer.name, []) if number in self._user else []

    def forward(self, values: Mapping[str, Array], last: int) -> None:
        """Set the inputs and run all layers up to number `last`; NetError if one of them has no parameters."""
        net = self.net({name: tuple(value.shape) for name, value in values.items()})
        if missing := [number for number in sorted(self.unfilled) if number <= last]:
            node = self.nodes.nodes[missing[0] - 1]
            source = "no caffemodel was read" if self.weights is None else f"{self.weights} has none"
            raise NetError(
                f'layer "{node.name}" ({node.type}) has no parameters: {source}; give the caffemodel of this prototxt '
                "as the second argument of readNetFromCaffe, or set them with setParam"
            )
        for name, value in values.items():
            net.blobs[name].data[...] = value
        began = time.perf_counter_ns()
        if last:
            net.forward_from_to(0, self._indices[last - 1])
        self.ticks = time.perf_counter_ns() - began

    def value(self, pin: Pin) -> Array:
        """Return a copy of an output of the last pass; boxes as OpenCV lays them out."""
        assert self._net is not None
        values = np.array(self._net.blobs[self.nodes.blob_of(pin)].data)
        node = self.nodes.nodes[pin.node - 1] if pin.node else None
        if node is None or node.type != "DetectionOutput" or pin.node in self._user:
            return values
        return detections.as_opencv(node.layer, values, self._net.blobs[node.layer.bottom[0]].shape[0])

    def pin(self, *pins: Pin) -> None:
        """Let the next passes fill these outputs, also where they would not be needed."""
        assert self._net is not None
        for pin in pins:
            _ = self._net.blobs[self.nodes.blob_of(pin)]

    def times(self) -> list[int]:
        """Return the nanoseconds of each layer in a pass that is run for it."""
        assert self._net is not None
        observer = LayerTimes(len(self._net.core_layers))
        self._net.plan.observers.append(observer)
        try:
            self._net.forward_pass()
        finally:
            self._net.plan.observers.remove(observer)
        return [observer.forward[index] for index in self._indices]

    def shapes(self, inputs: Mapping[str, Shape]) -> list[Shapes]:
        """Return the shapes at each layer for these inputs."""
        net = self.net(inputs)
        net.reshape()
        steps = [net.plan.layer_steps[index] for index in self._indices]
        return [Shapes(tuple(b.shape for b in s.bottom), tuple(b.shape for b in s.top)) for s in steps]
