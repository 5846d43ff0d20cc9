"""A net's layers as OpenCV's importer sees them: numbered, with names of its making, each with outputs of its own.

Source: modules/dnn/src/caffe/caffe_importer.cpp of OpenCV 4, observed. OpenCV asks for the output of a layer, where
Caffe asks for a blob; so a blob that layers change in place becomes one blob for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from caffelite.core.blob import Shape
from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.lines import Place
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto.caffe_pb2 import LayerParameter

INPUT_NAME, INPUT_TYPE = "_input", "__NetInputLayer__"


class Pin(NamedTuple):
    """An output of a layer: the layer's number (0: the inputs of the net) and that of the output."""

    node: int
    output: int


@dataclass(frozen=True)
class Node:
    """A layer: `name` and `type` as OpenCV says them, and the message from which it is built, with tops of its own."""

    name: str
    type: str
    layer: LayerParameter
    bottoms: tuple[Pin, ...]
    place: Place | None = None


@dataclass
class Nodes:
    """All layers of a net: `inputs` are its blobs to be set, with the shapes of the file (None: the file has none).

    Layer i is `nodes[i - 1]`, since OpenCV counts the inputs as layer 0.
    """

    name: str
    inputs: dict[str, Shape | None] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def connected(self) -> set[int]:
        """Return the numbers of the layers one of whose outputs is read."""
        return {pin.node for node in self.nodes for pin in node.bottoms}

    def find(self, name: str) -> int:
        """Return the number of a layer by its name, -1 if there is none."""
        if name == INPUT_NAME:
            return 0
        return next((i for i, node in enumerate(self.nodes, 1) if node.name == name), -1)

    def blob_of(self, pin: Pin) -> str:
        """Return the name of an output's blob."""
        return list(self.inputs)[pin.output] if not pin.node else self.nodes[pin.node - 1].layer.top[pin.output]


def nodes_of(draft: Draft, inputs: Sequence[str] = ()) -> Nodes:
    """Return the layers of a draft that was filtered.

    `inputs`: the net's own input fields that have no shape. Raises NetError for a bottom that no layer makes.
    """
    importer = _Importer(draft, inputs)
    for index in range(len(draft.layers)):
        importer.add(index)
    return importer.made


class _Importer:
    def __init__(self, draft: Draft, inputs: Sequence[str]) -> None:
        self.draft = draft
        self.made = Nodes(draft.param.name)
        self.names: Counter[str] = Counter()
        self.makers: dict[str, Pin] = {}
        self.taken: set[str] = set()
        for name in inputs:
            self._add_input(name, None)

    def add(self, index: int) -> None:
        layer = self.draft.layers[index]
        if layer.type == "Input":
            self._add_inputs(layer)
            self.names[layer.name] += 1
        elif _normalizes_batches(layer):
            self._add_normalization(index, layer)
        else:
            self._add_node(index, layer)

    def _add_inputs(self, layer: LayerParameter) -> None:
        shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
        shapes = shapes * len(layer.top) if len(shapes) == 1 else shapes
        for number, top in enumerate(layer.top):
            self._add_input(top, shapes[number] if number < len(shapes) else None)

    def _add_input(self, name: str, shape: Shape | None) -> None:
        self.makers[name] = Pin(0, len(self.made.inputs))
        self.made.inputs[name] = shape
        self.taken.add(name)

    def _add_node(self, index: int, layer: LayerParameter, name: str = "", kind: str = "") -> None:
        """Add a layer; one that is changed has its own message as `layer`."""
        number = len(self.made.nodes) + 1
        bottoms = tuple(self._pin(index, bottom) for bottom in layer.bottom)
        message = LayerParameter()
        message.CopyFrom(layer)
        message.ClearField("include")
        message.ClearField("exclude")
        del message.bottom[:]
        message.bottom.extend(self.made.blob_of(pin) for pin in bottoms)
        name = name or self._name(layer)
        del message.top[:]
        message.top.extend(self._blob(top, name) for top in layer.top)
        self.makers.update({top: Pin(number, i) for i, top in enumerate(layer.top)})
        self.made.nodes.append(
            Node(
                name,
                kind or self.draft.layers[index].type,
                message,
                bottoms,
                self.draft.places[index],
            )
        )

    def _name(self, layer: LayerParameter) -> str:
        """Return OpenCV's name: a Convolution is called after its top, the second of a name gets `_1`."""
        number = self.names[layer.name]
        self.names[layer.name] += 1
        if layer.type == "Convolution" and layer.top and self.made.find(layer.top[0]) < 0:
            return layer.top[0]
        return f"{layer.name}_{number}" if number else layer.name

    def _blob(self, top: str, name: str) -> str:
        wanted = top if top not in self.taken else f"{top} ({name})"
        while wanted in self.taken:
            wanted += "'"
        self.taken.add(wanted)
        return wanted

    def _pin(self, index: int, bottom: str) -> Pin:
        if bottom not in self.makers:
            where = self.draft.where(index, "bottom")
            hint = did_you_mean(bottom, self.makers)
            raise NetError(f'{where}layer "{self.draft.layers[index].name}": no layer before it makes "{bottom}"{hint}')
        return self.makers[bottom]

    def _add_normalization(self, index: int, layer: LayerParameter) -> None:
        """Do as OpenCV with `use_global_stats: false`: by mean and variance of the data, then by a variance of 1.

        OpenCV takes one image alone, and calls the first step MVN; for several, statistics are Caffe's, of all of them.
        """
        name = self._name(layer)
        self._add_node(index, layer, f"{name}/mvn", "MVN")
        power = LayerParameter(name=f"{name}/bn", type="Power", bottom=layer.top, top=layer.top)
        power.power_param.scale = (1 + layer.batch_norm_param.eps) ** -0.5
        self._add_node(index, power, name)


def _normalizes_batches(layer: LayerParameter) -> bool:
    param = layer.batch_norm_param
    return layer.type == "BatchNorm" and param.HasField("use_global_stats") and not param.use_global_stats
