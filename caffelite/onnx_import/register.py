"""The register of ONNX operators: which function says a node in layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from caffelite.core.registry import Registry
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.node import Node

Convert = Callable[[Node, Building], None]
C = TypeVar("C", bound=Convert)

OPERATORS: Registry[Convert] = Registry("ONNX operator")


def operator(*names: str) -> Callable[[C], C]:
    """Decorate the function that adds the layers of nodes with these operators."""

    def add(convert: C) -> C:
        for name in names:
            OPERATORS.register(name)(convert)
        return convert

    return add
