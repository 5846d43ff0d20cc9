"""An ONNX graph as plain Python: what forms write, folding changes and two sizes of a net are compared by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape

Dim = int | str  # a name stands for a size that whoever runs the model chooses


@dataclass
class Op:
    """One operator: ONNX's type and attributes, and names of values. `name` is that of the layer, as far as unique."""

    type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    name: str


@dataclass
class Graph:
    """Operators in the order in which they run.

    weights: the net's parameters, views of its memory, by name. constants: what forms computed.
    shapes: of every blob of the net, by the name that it has here. dims: the same with names for sizes left open.
    loose: axes of blobs whose sizes depend on the data. taken: the sizes that operators were computed of, in the
    order of the layers that took them. names: of all values, the net's blobs among them: each is given once.
    """

    name: str = ""
    ops: list[Op] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    loose: dict[str, frozenset[int]] = field(default_factory=dict)
    taken: list[Shape] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    dims: dict[str, list[Dim]] = field(default_factory=dict)

    def new_name(self, wanted: str) -> str:
        """Return a name for a value that nobody else has: layers and blobs may be called as they like."""
        name = wanted
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def says_the_same(self, other: Graph) -> bool:
        """Whether both have the same operators and constants, so that they differ in sizes alone."""
        return (
            self.ops == other.ops
            and self.taken == other.taken
            and self.constants.keys() == other.constants.keys()
            and all(_equal(array, other.constants[name]) for name, array in self.constants.items())
        )

    def values(self) -> dict[str, Array]:
        """Return weights and constants, by name."""
        return {**self.weights, **self.constants}

    def readers(self, value: str) -> int:
        """Return how often a value is read, by operators and as an output of the net."""
        return sum(op.inputs.count(value) for op in self.ops) + self.outputs.count(value)

    def drop_unread(self) -> None:
        """Remove weights and constants that no operator reads."""
        read = {name for op in self.ops for name in op.inputs}
        self.weights = {name: array for name, array in self.weights.items() if name in read}
        self.constants = {name: array for name, array in self.constants.items() if name in read}


def _equal(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)
