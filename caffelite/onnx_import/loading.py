"""An ONNX file as a model with fixed sizes, and what onnxsim leaves of it: shapes known, constants folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import inliner, shape_inference

from caffelite.core.errors import UsageError
from caffelite.core.files import file_problem
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.onnx_import.errors import OnnxError, first_line
from caffelite.onnx_import.graph import FLOATS

Shapes = Mapping[str, Sequence[int]]


def load_model(path: Path, shapes: Shapes | None = None) -> Any:
    """Return the ModelProto of a file, its inputs with the sizes of `shapes` or its own; a batch left open is 1.

    Raises OnnxError for what is no ONNX file or is damaged, and for inputs of whole numbers or of unknown sizes;
    UsageError for shapes of what is no input.
    """
    if problem := file_problem(path):
        raise OnnxError(problem)
    try:
        model = onnx.load(path)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as err:
        raise OnnxError(f"{path}: cannot be read as an ONNX file ({first_line(err)})") from None
    if not model.graph.node:
        raise OnnxError(f"{path}: this is no ONNX file, or a model without a node")
    if model.functions:
        model = inliner.inline_local_functions(model)
    try:
        _fix_sizes(model.graph, dict(shapes or {}))
    except OnnxError as err:
        raise OnnxError(f"{path}: {err}") from None
    if any(not entry.type.tensor_type.HasField("shape") for entry in model.graph.output):  # onnxsim wants them
        model = _checked(lambda: shape_inference.infer_shapes(model, data_prop=True), path)
    return model


def _fix_sizes(graph: Any, shapes: dict[str, Sequence[int]]) -> None:
    constants = {entry.name for entry in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    names = [entry.name for entry in inputs]
    for name in shapes.keys() - set(names):
        raise UsageError(f"--shape names {name}, which is no input of the model{did_you_mean(name, names)}")
    for entry in inputs:
        kind = entry.type.tensor_type
        if kind.elem_type not in FLOATS:
            word = onnx.TensorProto.DataType.Name(kind.elem_type)
            raise OnnxError(
                f'input "{entry.name}" is of {word}; Caffe\'s blobs are float: cut the model behind what reads it'
            )
        sizes = list(shapes.get(entry.name) or _own_sizes(entry.name, kind))
        kind.shape.Clear()
        for size in sizes:
            kind.shape.dim.add().dim_value = size
    del graph.value_info[:]  # they may hold the open sizes
    for entry in graph.output:
        for dim in entry.type.tensor_type.shape.dim:
            dim.Clear()


def _own_sizes(name: str, kind: Any) -> list[int]:
    dims = list(kind.shape.dim)
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims]
    if sizes and sizes[0] <= 0:
        sizes[0] = 1
    if not sizes or min(sizes) <= 0:
        shown = ",".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims) or "?"
        raise OnnxError(
            f'input "{name}" has the sizes {shown}, of which not all are fixed; give them, such as --shape '
            f"{name}=1,3,224,224"
        )
    return sizes


def simplified(model: Any, path: Path) -> Any:
    """Return the model after onnxsim (constants folded, batch normalization merged), with the shape of each tensor.

    Raises OnnxError for a model that breaks ONNX's rules.
    """
    import onnxsim

    def work() -> Any:
        small, _ = onnxsim.simplify(model)
        return shape_inference.infer_shapes(small, check_type=True, strict_mode=True, data_prop=True)

    return _checked(work, path)


def _checked(work: Callable[[], Any], path: Path) -> Any:
    """Return what `work` makes of the model; OnnxError where that breaks ONNX's rules."""
    try:
        return work()
    except (onnx.checker.ValidationError, shape_inference.InferenceError, RuntimeError, ValueError) as err:
        raise OnnxError(f"{path}: the model breaks ONNX's rules: {first_line(err)}") from None
