"""The net while it is made of an ONNX graph: layers with their weights, and which blob holds which tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.onnx_import.graph import Graph
from caffelite.onnx_import.names import Names
from caffelite.onnx_import.node import Node
from caffelite.proto.caffe_pb2 import LayerParameter

BVLC, CAFFELITE = "bvlc", "caffelite"
DIALECTS = (CAFFELITE, BVLC)


class Made(NamedTuple):
    """A layer, and its blobs of weights (float32, C-contiguous)."""

    param: LayerParameter
    blobs: list[Array]


class Building:
    """Layers in order. A tensor is what the ONNX file names, a blob what the net names."""

    def __init__(self, graph: Graph, dialect: str) -> None:
        self.graph, self.dialect = graph, dialect
        self.layers: list[Made] = []
        self.notes: list[str] = []
        self.held: dict[str, str] = {}  # tensor -> the blob that holds it
        self.sources: dict[str, str] = {}  # blob -> the tensor that it was made for
        self._layer_names, self._blob_names = Names(), Names()

    # What nodes read

    def shape(self, tensor: str) -> Shape:
        """Return the shape of a tensor."""
        return self.graph.shape(tensor)

    def constant(self, tensor: str) -> Array | None:
        """Return the values of a tensor that is the same in every pass, else None."""
        return self.graph.constants.get(tensor)

    def needed(self, node: Node, index: int, what: str) -> Array:
        """Return input `index` of a node, which has to be a constant; NodeError if it is computed."""
        values = self.constant(node.input(index))
        if values is None:
            raise node.refuse(f'input {index}, {what}, is "{node.input(index)}", which is computed', CONSTANT)
        return values

    def blob(self, node: Node, tensor: str) -> str:
        """Return the blob of a tensor that a node reads; constants become a Parameter layer."""
        if tensor not in self.held:
            values = self.constant(tensor)
            if values is None:
                raise node.refuse(f'it reads "{tensor}", which no layer here makes', "leave that output unused")
            self._parameter(tensor, values)
        return self.held[tensor]

    def _parameter(self, tensor: str, values: Array) -> None:
        param = LayerParameter(name=self._layer_names.of(tensor), type="Parameter")
        param.parameter_param.shape.dim.extend(values.shape)
        self._append(param, [values], [self.top(tensor)])

    # What nodes make

    def top(self, tensor: str) -> str:
        """Return the name of the new blob that is to hold a tensor."""
        blob = self._blob_names.of(tensor)
        self.held[tensor] = blob
        self.sources[blob] = tensor
        return blob

    def same(self, made: str, tensor: str, node: Node) -> None:
        """Let the tensor `made` be held by the blob of another: nothing has to be computed."""
        self.hold(made, self.blob(node, tensor))

    def hold(self, tensor: str, blob: str) -> None:
        """Let a tensor be held by a blob that is there; one that was a step on the way gets the tensor's name."""
        if blob in self.sources:
            self.held[tensor] = blob
        else:
            self.rename(blob, self.top(tensor))

    def rename(self, old: str, new: str) -> None:
        """Call a blob by another name, wherever it is made, read or held."""
        for tensor, blob in self.held.items():
            if blob == old:
                self.held[tensor] = new
        for made in self.layers:
            for names in (made.param.bottom, made.param.top):
                for index, name in enumerate(names):
                    if name == old:
                        names[index] = new

    def add(
        self, node: Node, type_name: str, bottoms: Sequence[str], *tensors: str, blobs: Sequence[Array] = (), **of: Any
    ) -> None:
        """Add the layer that makes `tensors` of the blobs `bottoms`; `of` are its fields: power_param={"scale": 2}."""
        param = LayerParameter(name=self._layer_names.new(node.name), type=type_name, bottom=bottoms, **of)
        self._append(param, blobs, [self.top(tensor) for tensor in tensors])

    def step(
        self, node: Node, word: str, type_name: str, bottoms: Sequence[str], blobs: Sequence[Array] = (), **of: Any
    ) -> str:
        """Add a layer on the way, named NODE/word or as the node, and return its blob, for others or for `hold`."""
        name = self._layer_names.new(f"{node.name}/{word}")  # a slash at the end is left out
        top = self._blob_names.new(f"{node.name}/{word or 'made'}")
        self._append(LayerParameter(name=name, type=type_name, bottom=bottoms, **of), blobs, [top])
        return top

    def rest(self, node: Node, word: str) -> str:
        """Return the name of a blob that a layer makes and nobody reads."""
        return self._blob_names.new(f"{node.name}/{word}")

    def add_with_rests(self, node: Node, type_name: str, bottom: str, tops: Sequence[str], **of: Any) -> None:
        """Add a layer whose tops are named already."""
        name = self._layer_names.new(node.name)
        self._append(LayerParameter(name=name, type=type_name, bottom=[bottom], **of), (), tops)

    def silence(self, node: Node, blobs: Sequence[str]) -> None:
        """Let blobs that nobody reads not become outputs of the net."""
        if blobs:
            name = self._layer_names.new(f"{node.name}/silence")
            self._append(LayerParameter(name=name, type="Silence", bottom=blobs), (), ())

    def input(self, tensor: str) -> None:
        """Add the Input layer of a tensor."""
        param = LayerParameter(name=self._layer_names.of(tensor), type="Input")
        param.input_param.shape.add().dim.extend(self.shape(tensor))
        self._append(param, (), [self.top(tensor)])

    def note(self, text: str) -> None:
        """Remember what is to be told, once."""
        if text not in self.notes:
            self.notes.append(text)

    def _append(self, param: LayerParameter, blobs: Sequence[Array], tops: Sequence[str]) -> None:
        param.top.extend(tops)
        # not ascontiguousarray: that gives a number an axis
        self.layers.append(Made(param, [np.asarray(values, np.float32, order="C") for values in blobs]))


CONSTANT = "Caffe has no layer that computes its weights; make it a constant of the model"
