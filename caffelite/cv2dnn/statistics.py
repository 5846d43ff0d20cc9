"""What a net tells of its size: shapes, operations, bytes and times, as cv2.dnn.Net does."""
# ruff: noqa: N802, N803  (names are OpenCV's)

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.cv2dnn.detections import shape_of
from caffelite.cv2dnn.engine import Engine, Shapes
from caffelite.cv2dnn.errors import BAD_ARGUMENT, all_raise_cv2_errors, error
from caffelite.cv2dnn.flops import flops
from caffelite.cv2dnn.installed import opencv_or_none
from caffelite.proto.caffe_pb2 import PoolingParameter

_FLOAT, _NANOSECONDS = 4, 1e9  # bytes of a number; of a second
Dims = tuple[Array, ...]


@all_raise_cv2_errors
class Statistics:
    """The methods of Net that look at shapes and times.

    Shapes are given as one shape, (1, 3, 224, 224), or as a list with one for each input of the net. A number or name
    of a layer in front of them asks for that layer alone.
    """

    _engine: Engine
    _values: dict[str, Array]

    def _shapes_for(self, given: Any) -> Mapping[str, Shape]:
        raise NotImplementedError

    def _number(self, layer: int | str) -> int:
        raise NotImplementedError

    def _refuse_empty(self) -> None:
        raise NotImplementedError

    def getLayersShapes(
        self, netInputShapes: Any = None, netInputShape: Any = None
    ) -> tuple[Array, tuple[Dims, ...], tuple[Dims, ...]]:
        """Return the numbers of all layers, 0 (the inputs) first, and the shapes of their inputs and their outputs.

        Shapes are arrays of int32; the net is not run.
        """
        found = self._reported(_given(netInputShapes, netInputShape))
        ids = np.arange(len(found), dtype=np.int32)
        return ids, tuple(_dims(shapes.inputs) for shapes in found), tuple(_dims(shapes.outputs) for shapes in found)

    def getLayerShapes(self, netInputShapes: Any, netInputTypes: Any = None, layerId: Any = None) -> tuple[Dims, Dims]:
        """Return the shapes of the inputs and outputs of one layer; `netInputTypes`, of OpenCV 5, is not looked at."""
        number = self._number(netInputTypes if layerId is None else layerId)
        shapes = self._reported(netInputShapes)[number]
        return _dims(shapes.inputs), _dims(shapes.outputs)

    def getFLOPS(self, *args: Any, **kwargs: Any) -> int:
        """Return the operations of a pass, as OpenCV counts them, for `[layerId, ]netInputShapes`."""
        number, shapes = self._layer_and_shapes(args, kwargs)
        found = self._all(shapes)
        numbers = range(1, len(found)) if number is None else [number] if number else []
        return sum(self._flops(i, found[i]) for i in numbers)

    def _flops(self, number: int, shapes: Shapes) -> int:
        blobs = self._engine.blobs(number, {})
        node = self._engine.nodes.nodes[number - 1]
        return flops(node.type, node.layer, shapes, tuple(blobs[0].shape) if blobs else ())

    def getMemoryConsumption(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        """Return the bytes of the parameters and of all outputs, for `[layerId, ]netInputShapes`."""
        number, shapes = self._layer_and_shapes(args, kwargs)
        found = self._reported(shapes)
        numbers = range(len(found)) if number is None else [number]
        weights = sum(blob.count for i in numbers if i for blob in self._engine.blobs(i, {}))
        return weights * _FLOAT, sum(prod(shape) for i in numbers for shape in found[i].outputs) * _FLOAT

    def getPerfProfile(self) -> tuple[int, Array]:
        """Return the ticks that the last pass took, and those of each layer; cv2.getTickFrequency() are a second.

        The layers are timed one by one in a pass that is run for it, where none is fused with another.
        """
        self._refuse_empty()
        count = len(self._engine.nodes.nodes)
        if not self._engine.ticks:
            return 0, np.zeros(count)
        cv2 = opencv_or_none()
        frequency = _NANOSECONDS if cv2 is None else cv2.getTickFrequency()
        times = np.array(self._engine.times(), np.float64)
        return round(self._engine.ticks * frequency / _NANOSECONDS), times * (frequency / _NANOSECONDS)

    def _all(self, given: Any) -> list[Shapes]:
        """Return the shapes at each layer, of the inputs first."""
        self._refuse_empty()
        inputs = self._shapes_for(given)
        own = tuple(inputs.values())
        return [Shapes(own, own), *self._engine.shapes(inputs)]

    def _reported(self, given: Any) -> list[Shapes]:
        """Return the same with what OpenCV says otherwise.

        A maximum pooling which no layer reads has a second output, its mask; DetectionOutput has keep_top_k boxes.
        """
        found, connected = self._all(given), self._engine.nodes.connected()
        for number, node in enumerate(self._engine.nodes.nodes, 1):
            inputs, outputs = found[number]
            if node.type == "DetectionOutput":
                outputs = (shape_of(node.layer, inputs[0][0], outputs[0]),)
            elif node.type == "Pooling" and number not in connected:
                outputs = outputs[:1] * (1 + (node.layer.pooling_param.pool == PoolingParameter.MAX))
            found[number] = Shapes(inputs, outputs)
        return found

    def _layer_and_shapes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int | None, Any]:
        named = [kwargs[name] for name in ("netInputShapes", "netInputShape") if name in kwargs]
        layer = [kwargs["layerId"]] if "layerId" in kwargs else []
        values = [*layer, *args, *named]
        unknown = kwargs.keys() - {"netInputShapes", "netInputShape", "layerId"}
        if unknown or len(values) not in (1, 2):
            raise error("give the shapes of the inputs, or a layer's number and these", BAD_ARGUMENT)
        if len(values) == 1:
            return None, values[0]
        return self._number(values[0]), values[1]


def _given(*shapes: Any) -> Any:
    return next((shape for shape in shapes if shape is not None), None)


def _dims(shapes: tuple[Shape, ...]) -> Dims:
    return tuple(np.array(shape, np.int32) for shape in shapes)
