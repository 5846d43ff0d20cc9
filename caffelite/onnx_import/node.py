"""A node of an ONNX graph: an operator, the tensors it reads and makes, and attributes that remember who read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caffelite.onnx_import.errors import NodeError


class Node:
    """One application of an operator. An input that is left out has the name ""."""

    def __init__(
        self, operator: str, name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> None:
        self.operator, self.name = operator, name
        self.inputs, self.outputs = list(inputs), list(outputs)
        self._attributes = dict(attributes)
        self._read: set[str] = set()

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return an attribute, a number, a text, a list or an array, or the default."""
        self._read.add(attribute)
        return self._attributes.get(attribute, default)

    def input(self, index: int) -> str:
        """Return the name of input `index`, "" if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def refuse(self, about: str, fix: str) -> NodeError:
        """Return the error that says what of this node has no layer."""
        return NodeError(self.name, self.operator, about, fix)

    def require(self, attribute: str, *allowed: Any, fix: str) -> None:
        """Raise NodeError unless the attribute is left out or one of `allowed`."""
        value = self.get(attribute, allowed[0])
        if value not in allowed:
            shown = f'"{value}"' if isinstance(value, str) else value
            raise self.refuse(f"attribute {attribute} is {shown}", fix)

    def refuse_unread(self) -> None:
        """Raise NodeError for an attribute that nobody read: it may change what is computed."""
        for attribute in sorted(self._attributes.keys() - self._read):
            raise self.refuse(f"attribute {attribute} is not known here", "export the model for opset 20 or lower")
