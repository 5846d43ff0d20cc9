"""Writer: what the form of a layer is called with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import LayerError
from caffelite.core.layer import Layer
from caffelite.onnx_export.graph import Graph, Op


class Writer:
    """Writes the operators of one layer into a graph.

    layer, param: the layer as the net runs it, and its message.
    bottoms: names of the values that it reads. bottom_shapes, top_shapes: as the net has them now; a form that takes
    numbers from them fixes the size of the images, which ONNX's 0 and -1 in shapes, and negative axes, do not.
    """

    def __init__(
        self,
        graph: Graph,
        layer: Layer,
        bottoms: Sequence[str],
        bottom_shapes: Sequence[Shape],
        top_shapes: Sequence[Shape],
        weights: dict[int, str],
    ) -> None:
        self.graph = graph
        self.layer: Any = layer
        self.param = layer.layer_param
        self.bottoms, self.bottom_shapes, self.top_shapes = list(bottoms), list(bottom_shapes), list(top_shapes)
        self.ops: list[Op] = []
        self._weights = weights
        self._constants: list[str] = []
        self.loose: dict[int, frozenset[int]] = {}

    @property
    def bottom(self) -> str:
        """The name of the first bottom."""
        return self.bottoms[0]

    @property
    def num_axes(self) -> int:
        """How many axes the first bottom has."""
        return len(self.bottom_shapes[0])

    def ops_of(self, type_name: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Write an operator with several outputs; return their names."""
        name = f"{self.layer.name}/{type_name}_{len(self.ops)}"
        wanted = [name] if outputs == 1 else [f"{name}:{number}" for number in range(outputs)]
        made = [self.graph.new_name(one) for one in wanted]
        self.ops.append(Op(type_name, list(inputs), made, attributes, name))
        return list(made)

    def op(self, type_name: str, *inputs: str, **attributes: Any) -> str:
        """Write an operator; return the name of what it makes. An input that is left out is named ""."""
        return self.ops_of(type_name, inputs, 1, **attributes)[0]

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Return the name of a constant, which is kept beside the weights; equal ones of a layer have one name."""
        array = np.asarray(values, dtype)
        for name in self._constants:
            kept = self.graph.constants[name]
            if kept.dtype == array.dtype and kept.shape == array.shape and kept.tobytes() == array.tobytes():
                return name
        name = self.graph.new_name(f"{self.layer.name}/constant_{len(self._constants)}")
        self.graph.constants[name] = array
        self._constants.append(name)
        return name

    def ints(self, *values: int) -> str:
        """Return the name of a constant that holds whole numbers: a shape, axes, pads."""
        return self.constant(values, np.int64)

    def weight(self, number: int) -> str:
        """Return the name of parameter blob `number`, which layers that share it have in common."""
        array = self.layer.blobs[number].data
        place = array.__array_interface__["data"][0]
        if place not in self._weights:
            name = self._weights[place] = self.graph.new_name(f"{self.layer.name}.{number}")
            self.graph.weights[name] = array
        elif self.graph.weights[self._weights[place]].shape != array.shape:
            return self.constant(array)  # shared in another shape (share_mode PERMISSIVE)
        return self._weights[place]

    def values(self, number: int) -> Array:
        """Return the values of parameter blob `number`, for forms that compute with them."""
        array: Array = self.layer.blobs[number].data
        return array

    def error(self, field: str, value: object, fix: str) -> LayerError:
        """Return the error of a field whose meaning ONNX cannot say."""
        return LayerError(field, value, f"ONNX cannot say that: {fix}")

    def reshape(self, value: str, *sizes: int) -> str:
        """Write a Reshape: 0 keeps the size at that place, one -1 is what is left."""
        return self.op("Reshape", value, self.ints(*sizes))

    def of_layer(self, layer: Layer, top_shapes: Sequence[Shape]) -> Writer:
        """Return a writer for a layer inside this one, which reads the same bottoms; it writes into the same list."""
        inner = Writer(self.graph, layer, self.bottoms, self.bottom_shapes, top_shapes, self._weights)
        inner.ops, inner._constants = self.ops, self._constants
        return inner

    def fix(self, sizes: Shape) -> None:
        """Say that the form computes with these sizes of the bottoms: its operators are for them alone."""
        self.graph.taken.append(tuple(sizes))

    def loosen(self, top: int, *axes: int) -> None:
        """Say that these axes of a top have sizes that depend on the data."""
        self.loose[top] = frozenset(axes)
