"""Net: what readNetFromCaffe returns, with the methods of OpenCV's cv2.dnn.Net."""
# ruff: noqa: N802, N803  (names are OpenCV's)

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.files import reason_of
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.cv2dnn import dump
from caffelite.cv2dnn.arguments import as_mat, as_numbers, input_blob, input_shapes
from caffelite.cv2dnn.engine import Engine
from caffelite.cv2dnn.errors import BAD_ARGUMENT, NOT_FOUND, all_raise_cv2_errors, error
from caffelite.cv2dnn.installed import opencv_or_none
from caffelite.cv2dnn.layer import Layer
from caffelite.cv2dnn.nodes import INPUT_NAME, INPUT_TYPE, Nodes, Pin
from caffelite.cv2dnn.not_here import NotHere
from caffelite.cv2dnn.statistics import Statistics

log = logging.getLogger("caffelite")

_OWN_BACKENDS, _CPU = (0, 3), 0  # DNN_BACKEND_DEFAULT, DNN_BACKEND_OPENCV; DNN_TARGET_CPU
_said: set[str] = set()


@all_raise_cv2_errors
class Net(Statistics, NotHere):
    """A net to be set, run and asked for the outputs of its layers. Made by readNetFromCaffe; `Net()` is empty.

    Layers have OpenCV's names: a Convolution is called after its top, the second layer of a name `name_1`. Every layer
    has outputs of its own, those that work in place, too. Arrays are float32, of two axes at least, and copies.
    What goes wrong is raised as a cv2.error that is a CaffeliteError, too, with file, line and layer.
    """

    def __init__(self) -> None:
        self._engine = Engine(Nodes(""), None, None)
        self._names: list[str] = []
        self._values: dict[str, Array] = {}

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Let isinstance(net, cv2.dnn.Net) hold; objects of classes derived from it crash Python."""
        cv2 = opencv_or_none()
        return Net if cv2 is None else cv2.dnn.Net

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, as OpenCV's nets do."""
        raise TypeError("a net of cv2.dnn cannot be pickled or copied; call readNetFromCaffe again where it is needed")

    @classmethod
    def _of(cls, engine: Engine) -> Net:
        net = cls()
        net._engine, net._names = engine, list(engine.nodes.inputs)
        return net

    # Setting and running

    def setInput(self, blob: Any, name: str = "", scalefactor: float = 1.0, mean: Any = ()) -> None:
        """Set an input to `(blob - mean) * scalefactor`; without a name, the first one. The net takes its size."""
        self._refuse_empty()
        values = input_blob(blob, scalefactor, mean)
        if name and name not in self._names:
            hint = did_you_mean(name, self._names)
            raise error(f'there is no input "{name}"{hint} (inputs: {", ".join(self._names)})', NOT_FOUND)
        self._values[self._inputs()[self._names.index(name) if name else 0]] = values

    def setInputsNames(self, inputBlobNames: Sequence[str]) -> None:
        """Give the inputs other names for setInput, in their order."""
        names = list(inputBlobNames)
        if len(names) != len(self._names):
            raise error(f"{len(names)} names for the inputs {', '.join(self._names)}; give one for each", BAD_ARGUMENT)
        self._names = names

    def setInputShape(self, inputName: str, shape: Sequence[int]) -> None:
        """Give an input a shape that the file does not give; setInput does so by itself."""
        if inputName not in self._names:
            raise error(f'there is no input "{inputName}"{did_you_mean(inputName, self._names)}', NOT_FOUND)
        blob = self._inputs()[self._names.index(inputName)]
        if self._engine.nodes.inputs[blob] is not None:
            raise error(f'input "{inputName}" has a shape in the file; setInput replaces it', BAD_ARGUMENT)
        self._engine.nodes.inputs[blob] = tuple(int(size) for size in shape)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the net; return the output of the last layer, or of those that are named.

        forward() and forward("prob") return the first output of the layer, an array; forward(["prob", "box"]) a tuple
        of the first outputs of each; forward(None, "slice") a tuple of all outputs of one layer. Keywords: outputName,
        outBlobNames, outputBlobs.
        """
        names, every, several = _asked(args, kwargs)
        numbers = [self._number(name) for name in names] or [len(self._engine.nodes.nodes)]
        results = self._run([pin for number in numbers for pin in self._pins(number, every)])
        return tuple(results) if every or several else results[0]

    def forwardAndRetrieve(self, outBlobNames: Sequence[str]) -> tuple[tuple[Array, ...], ...]:
        """Run the net; return all outputs of each layer that is named."""
        numbers = [self._number(name) for name in outBlobNames]
        if not numbers:
            raise error("forwardAndRetrieve needs the names of layers, and got none", BAD_ARGUMENT)
        results = iter(self._run([pin for number in numbers for pin in self._pins(number, True)]))
        return tuple(tuple(next(results) for _ in self._pins(number, True)) for number in numbers)

    def _run(self, pins: list[Pin]) -> list[Array]:
        self._refuse_empty()
        if missing := [
            name for name, blob in zip(self._names, self._inputs(), strict=True) if blob not in self._values
        ]:
            raise error(f'input "{missing[0]}" is not set; call setInput before forward', BAD_ARGUMENT)
        last = max(pin.node for pin in pins)
        self._engine.net({name: tuple(value.shape) for name, value in self._values.items()})
        self._engine.pin(*pins)
        self._engine.forward(self._values, last)
        return [as_mat(self._engine.value(pin)) for pin in pins]

    def _pins(self, number: int, every: bool) -> list[Pin]:
        """Return the outputs of a layer; of one without outputs, as Silence, what it reads."""
        if not number:
            return [Pin(0, i) for i in range(len(self._names) if every else 1)]
        node = self._engine.nodes.nodes[number - 1]
        pins = [Pin(number, i) for i in range(len(node.layer.top))] or list(node.bottoms)
        return pins if every else pins[:1]

    # Layers

    def empty(self) -> bool:
        """Return whether the net has no layers."""
        return not self._engine.nodes.nodes

    def getLayerNames(self) -> tuple[str, ...]:
        """Return the names of the layers, without the inputs."""
        return tuple(node.name for node in self._engine.nodes.nodes)

    def getLayerTypes(self) -> tuple[str, ...]:
        """Return the types of the layers, each once, in the order of the alphabet."""
        return tuple(sorted({INPUT_TYPE, *(node.type for node in self._engine.nodes.nodes)}))

    def getLayersCount(self, layerType: str) -> int:
        """Return how many layers have this type."""
        return [INPUT_TYPE, *(node.type for node in self._engine.nodes.nodes)].count(layerType)

    def getLayerId(self, layer: str) -> int:
        """Return the number of a layer, from 1; -1 if there is none of this name."""
        return self._engine.nodes.find(layer)

    def getLayer(self, layerId: int | str) -> Layer:
        """Return a layer by its number or name."""
        number = self._number(layerId)
        if not number:
            return Layer(INPUT_NAME, "")
        node = self._engine.nodes.nodes[number - 1]
        return Layer(node.name, node.type, tuple(self._params(number)))

    def getUnconnectedOutLayers(self) -> Array:
        """Return the numbers of the layers whose outputs no layer reads, as an array of int32."""
        connected = self._engine.nodes.connected()
        numbers = range(1, len(self._engine.nodes.nodes) + 1)
        return np.array([number for number in numbers if number not in connected], np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """Return the names of the layers whose outputs no layer reads."""
        return tuple(self._engine.nodes.nodes[number - 1].name for number in self.getUnconnectedOutLayers())

    def getParam(self, layer: int | str, numParam: int = 0) -> Array:
        """Return a copy of parameter `numParam` of a layer, given by number or name."""
        params = self._params(self._number(layer))
        self._check_param(layer, numParam, len(params))
        return params[numParam]

    def setParam(self, layer: int | str, numParam: int, blob: Array) -> None:
        """Set parameter `numParam` of a layer; the array has the parameter's number of values."""
        number = self._number(layer)
        blobs = self._engine.blobs(number, self._set_shapes()) if number else []
        self._check_param(layer, numParam, len(blobs))
        values = as_numbers(blob, "setParam")
        if values.size != blobs[numParam].count:
            raise error(
                f'parameter {numParam} of layer "{self._name(number)}" has shape {tuple(blobs[numParam].shape)}, not '
                f"{values.shape}; give as many values",
                BAD_ARGUMENT,
            )
        blobs[numParam].data[...] = values.reshape(blobs[numParam].shape)
        self._engine.unfilled.discard(number)

    def _check_param(self, layer: int | str, number: int, count: int) -> None:
        if not 0 <= number < count:
            raise error(f"layer {layer!r} has {count} parameters, so there is no number {number}", BAD_ARGUMENT)

    def _params(self, number: int) -> list[Array]:
        if not number or number in self._engine.unfilled:
            return []
        stored = self._engine.stored(number) or [b.data for b in self._engine.blobs(number, self._set_shapes())]
        is_row = self._engine.nodes.nodes[number - 1].type == "InnerProduct"
        return [as_mat(np.array(values), is_row) for values in stored]

    # Where it runs, and what it looks like

    def setPreferableBackend(self, backendId: int) -> None:
        """Take any back end: caffelite runs the net, and says so once."""
        self._say_once(backendId in _OWN_BACKENDS, f"DNN backend {backendId}")

    def setPreferableTarget(self, targetId: int) -> None:
        """Take any target: the net runs on the CPU in float32, which is said once."""
        self._say_once(targetId == _CPU, f"DNN target {targetId}")

    def _say_once(self, is_fine: bool, what: str) -> None:
        if not is_fine and what not in _said:
            _said.add(what)
            log.warning("%s is not here: caffelite runs the net on the CPU", what)

    def enableFusion(self, fusion: bool) -> None:
        """Do nothing: what is fused is caffelite's choice, and answers do not depend on it."""

    def enableWinograd(self, useWinograd: bool) -> None:
        """Do nothing: which kernel computes a convolution is caffelite's choice."""

    def finalizeNet(self) -> None:
        """Do nothing: the net is ready."""

    def dump(self) -> str:
        """Return the net as a graph in the language of Graphviz, with shapes once inputs are set or in the file."""
        nodes = self._engine.nodes
        known = {**nodes.inputs, **self._set_shapes()}
        shapes = None if self.empty() or None in known.values() else self._engine.shapes(self._set_shapes())
        return dump.graph(nodes, shapes)

    def dumpToFile(self, path: str | os.PathLike[str]) -> None:
        """Write what `dump` returns to a file; its name usually ends in .dot."""
        graph = self.dump()
        try:
            Path(path).write_text(graph, encoding="utf-8")
        except OSError as err:
            raise error(f"cannot write the graph: {reason_of(err)}") from None

    # What the methods share

    def _inputs(self) -> list[str]:
        return list(self._engine.nodes.inputs)

    def _set_shapes(self) -> Mapping[str, Shape]:
        return {name: tuple(value.shape) for name, value in self._values.items()}

    def _shapes_for(self, given: Any) -> Mapping[str, Shape]:
        return input_shapes(given, self._inputs())

    def _refuse_empty(self) -> None:
        if self.empty():
            raise error("the net is empty; readNetFromCaffe(prototxt, caffemodel) reads one")

    def _name(self, number: int) -> str:
        return self._engine.nodes.nodes[number - 1].name if number else INPUT_NAME

    def _number(self, layer: int | str) -> int:
        """Return the number of a layer that is given by number or name."""
        self._refuse_empty()
        nodes = self._engine.nodes
        if isinstance(layer, str):
            number = nodes.find(layer)
            if number < 0:
                raise error(f'there is no layer "{layer}"{self._maker(layer)}', NOT_FOUND)
            return number
        if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)):
            raise error(f"a layer is named by its number or its name, not by {layer!r}", BAD_ARGUMENT)
        if not 0 <= layer <= len(nodes.nodes):
            raise error(f"there is no layer {layer}; the numbers go to {len(nodes.nodes)}", NOT_FOUND)
        return int(layer)

    def _maker(self, blob: str) -> str:
        """Return the hint that a name is a blob's, or what it might have been."""
        makers = [node.name for node in self._engine.nodes.nodes if blob in node.layer.top]
        makers += [node.name for node in self._engine.nodes.nodes if blob == node.layer.name]
        if makers:
            return f'; OpenCV calls it "{makers[0]}"'
        if blob in self._names:
            return "; it is an input of the net"
        return did_you_mean(blob, self.getLayerNames())


def _asked(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[str], bool, bool]:
    """Return the names that forward was given, whether all outputs are asked for, and whether the result is a tuple."""
    unknown = kwargs.keys() - {"outputName", "outBlobNames", "outputBlobs"}
    first = kwargs.get("outBlobNames", args[0] if args else None)
    second = kwargs.get("outputName", args[1] if len(args) > 1 else None)
    if unknown or len(args) > 2:
        raise error(
            f"forward takes outputName, outBlobNames and outputBlobs, not {sorted(unknown) or args}", BAD_ARGUMENT
        )
    if isinstance(first, str):
        return ([first] if first else []), False, False
    names = [] if first is None else _listed(first)
    if len(args) > 1 or "outputBlobs" in kwargs and "outBlobNames" not in kwargs:  # all outputs of one layer
        if isinstance(second, str) or (second is None and not names):
            return ([second] if second else []), True, True
    if isinstance(second, str):
        return ([second] if second else []), False, False
    return names, False, first is not None


def _listed(names: Any) -> list[str]:
    if not isinstance(names, (list, tuple, np.ndarray)) or not all(isinstance(name, str) for name in names):
        raise error(f"forward takes the name of a layer or a list of names, not {names!r}", BAD_ARGUMENT)
    return [str(name) for name in names]
