"""An ONNX file as a model with fixed sizes, and what onnxsim leaves of it: shapes known, constants folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import helper, inliner, shape_inference

from caffelite.core.errors import UsageError
from caffelite.core.files import file_problem
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.onnx_import.errors import OnnxError, first_line
from caffelite.onnx_import.graph import FLOATS, opset_of
from caffelite.onnx_import.last_windows import without_last_windows
from caffelite.onnx_import.old_axes import count_axes_from_front

Shapes = Mapping[str, Sequence[int]]
OLDEST = 7  # before it Add and others said by attributes how the smaller is repeated
DAMAGED = (AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


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
    if any(isinstance(name, bytes) for name in _names(model.graph)):
        raise OnnxError(f"{path}: it has names that are no UTF-8; the file is damaged, or export the model again")
    if not model.graph.output:
        raise OnnxError(f"{path}: the model has no output; export it with what it is to compute")
    _check_opset(opset_of(model), path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    try:
        _fix_sizes(model.graph, dict(shapes or {}))
        _say_kernels(model.graph)
    except OnnxError as err:
        raise OnnxError(f"{path}: {err}") from None
    _checked(lambda: count_axes_from_front(model), path)
    _give_outputs_shapes(model, path)
    return model


def _say_kernels(graph: Any) -> None:
    """Write the attribute kernel_shape where only the weights say it; OnnxError for weights that have no kernels.

    Before version 1.23 the shape inference of onnx reads beyond its memory where an image has fewer axes than kernels
    whose size is not written.
    """
    constants = [node for node in graph.node if node.op_type == "Constant"]
    dims = {entry.name: list(entry.dims) for entry in graph.initializer}
    dims |= {node.output[0]: list(of.t.dims) for node in constants for of in node.attribute if of.name == "value"}
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose") or len(node.input) < 2 or node.input[1] not in dims:
            continue
        shape = dims[node.input[1]]
        if len(shape) < 3:
            raise OnnxError(
                f'node "{node.name}" ({node.op_type}): its weights have the shape {tuple(shape)}, and kernels none; '
                "export the model again"
            )
        if not any(entry.name == "kernel_shape" for entry in node.attribute):
            node.attribute.append(helper.make_attribute("kernel_shape", shape[2:]))


def _names(graph: Any) -> Iterable[Any]:
    """Go through all names, which are bytes where they cannot be read as text."""
    yield graph.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for entry in (*graph.input, *graph.output, *graph.initializer):
        yield entry.name


def _check_opset(opset: int, path: Path) -> None:
    known = onnx.defs.onnx_opset_version()
    if opset < OLDEST:
        raise OnnxError(
            f"{path}: the model is of opset {opset}, whose operators were others; export it for opset {OLDEST} or "
            "later, or convert it with onnx.version_converter"
        )
    if opset > known:
        raise OnnxError(
            f"{path}: the model is of opset {opset}, and onnx {onnx.__version__} knows them up to {known}; "
            "pip install -U onnx, or export the model for opset 20"
        )


def _give_outputs_shapes(model: Any, path: Path) -> None:
    """Give each output a shape, the sizes being open but where nothing computes it: onnxsim wants one."""
    # what nothing computes first: without a shape there nobody infers those of others
    _give(model, {entry.name: list(entry.dims) for entry in model.graph.initializer} | _sizes(model.graph.input))
    if not all(map(_has_shape, model.graph.output)):
        inferred = _checked(lambda: shape_inference.infer_shapes(model, data_prop=True), path)
        _give(model, {name: [0] * len(sizes) for name, sizes in _sizes(inferred.graph.output).items()})
    for entry in model.graph.output:
        if not _has_shape(entry):
            _checked(lambda: shape_inference.infer_shapes(model, check_type=True, strict_mode=True), path)  # says why
            raise OnnxError(f'{path}: the shape of output "{entry.name}" cannot be inferred; export the model with it')


def _sizes(entries: Iterable[Any]) -> dict[str, list[int]]:
    return {
        entry.name: [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        for entry in entries
        if _has_shape(entry)
    }


def _give(model: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give outputs without a shape that of `shapes`; 0 is an open size."""
    for entry in model.graph.output:
        if entry.name in shapes and not _has_shape(entry):
            entry.type.tensor_type.shape.SetInParent()
            for size in shapes[entry.name]:
                dim = entry.type.tensor_type.shape.dim.add()
                if size:
                    dim.dim_value = size


def _has_shape(entry: Any) -> bool:
    return bool(entry.type.tensor_type.HasField("shape"))


def _fix_sizes(graph: Any, shapes: dict[str, Sequence[int]]) -> None:
    constants = {entry.name for entry in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    names = [entry.name for entry in inputs]
    for name in shapes.keys() - set(names):
        raise UsageError(f"--shape names {name}, which is no input of the model{did_you_mean(name, names)}")
    for entry in inputs:
        kind = entry.type.tensor_type
        if kind.elem_type not in FLOATS:
            known = onnx.TensorProto.DataType.DESCRIPTOR.values_by_number
            word = known[kind.elem_type].name if kind.elem_type in known else f"an unknown kind, {kind.elem_type}"
            raise OnnxError(
                f'input "{entry.name}" is of {word}; Caffe\'s blobs are float: cut the model behind what reads it'
            )
        sizes = list(shapes.get(entry.name) or _own_sizes(entry.name, kind))
        if min(sizes, default=1) < 1:
            raise UsageError(f"--shape gives {entry.name} the sizes {','.join(map(str, sizes))}; each is 1 or more")
        kind.shape.Clear()
        for size in sizes:
            kind.shape.dim.add().dim_value = size
    del graph.value_info[:]  # they may hold the open sizes
    for entry in graph.output:
        if entry.name in names:
            entry.type.tensor_type.ClearField("shape")
        for dim in entry.type.tensor_type.shape.dim:
            dim.Clear()


def _own_sizes(name: str, kind: Any) -> list[int]:
    dims = list(kind.shape.dim)
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims]
    if sizes and sizes[0] <= 0:
        sizes[0] = 1
    if not kind.HasField("shape") or min(sizes, default=1) <= 0:
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

    def work(optimized: bool) -> Any:
        small, _ = onnxsim.simplify(without_last_windows(model), perform_optimization=optimized)
        return shape_inference.infer_shapes(small, check_type=True, strict_mode=True, data_prop=True)

    try:
        return _checked(lambda: work(True), path)
    except OnnxError as err:
        try:
            return _checked(lambda: work(False), path)  # what onnxsim joins may break the rules, not the model
        except OnnxError:
            raise err from None


def _checked(work: Callable[[], Any], path: Path) -> Any:
    """Return what `work` makes of the model; OnnxError where that breaks ONNX's rules, or sizes do not fit."""
    try:
        return work()
    except (onnx.checker.ValidationError, shape_inference.InferenceError, *DAMAGED) as err:
        raise OnnxError(
            f"{path}: the model breaks ONNX's rules, or its inputs have sizes that do not fit it: {first_line(err)}"
        ) from None
