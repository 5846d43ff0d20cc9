"""From the files of a net and its weights to an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from caffelite.core.blob import Shape
from caffelite.core.errors import NetError, UsageError, WeightsError
from caffelite.core.files import file_problem
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.formats import copy_trained_layers
from caffelite.onnx_export.build import input_blobs
from caffelite.onnx_export.form import FORMS, REFUSED, load_forms
from caffelite.onnx_export.model import export_net, require_onnx
from caffelite.proto.caffe_pb2 import TEST

Name = str | os.PathLike[str]


def export_file(
    net_file: Name,
    weights: Name | None,
    target: Name,
    folded: bool = False,
    shapes: Mapping[str, Shape] | None = None,
    level: int = 0,
    stages: Iterable[str] = (),
) -> list[str]:
    """Write `target`, an ONNX file, of a prototxt and its caffemodel; return the inputs and outputs, to be told.

    `shapes` gives inputs other sizes than the prototxt does, blob -> shape. `weights` may be None for a net that has
    none. An existing file is replaced once the new one is complete. Raises LayerError or NetError for what ONNX cannot
    say, with file, line and what to do; WeightsError for weights that do not fit; UsageError without the package onnx.
    """
    require_onnx()
    net = load(Path(net_file), weights, shapes or {}, level, stages)
    try:
        model = export_net(net, folded)
    finally:
        net.close()
    with replacing(os.fspath(target)) as file:
        file.write(model.SerializeToString())
    return [
        f"{word} {_described(value)}"
        for word, values in (("input", model.graph.input), ("output", model.graph.output))
        for value in values
    ]


def load(path: Path, weights: Name | None, shapes: Mapping[str, Shape], level: int, stages: Iterable[str]) -> Net:
    """Return the net of phase TEST with its weights; layers that cannot be exported are named before it is built."""
    param, lines, notes = load_net(path, layer_type_list())
    log_notes(notes)
    draft = Draft.of(param, lines)
    draft = draft.with_param(with_caller_state(draft.param, TEST, level, stages))
    check_types(filter_net(draft))
    if weights is not None and (problem := file_problem(os.fspath(weights))):
        raise WeightsError(problem)
    net = Net(draft, Context(folder=path.parent, python_layers=False))
    if weights is not None:
        copy_trained_layers(net.weight_layers(), Path(weights))
    elif net.learnable_params:
        raise UsageError(f"{path} has layers with weights; give their caffemodel behind it")
    _reshape(net, shapes)
    return net


def check_types(draft: Draft) -> None:
    """Raise NetError, with a line for each layer that has no form in ONNX, if there are some."""
    load_forms()
    problems = [
        f'{draft.where(index)}layer "{layer.name}" ({layer.type}) has no form in ONNX: {_what_to_do(layer.type)}'
        for index, layer in enumerate(draft.layers)
        if layer.type not in FORMS and layer.type != "Input" and layer.type in layer_type_list()
    ]
    if problems:
        raise NetError("\n".join(problems))


def _what_to_do(type_name: str) -> str:
    if type_name in REFUSED:
        return REFUSED[type_name]
    return f'write one for your own type: @caffelite.onnx_export.form("{type_name}")'


def _reshape(net: Net, shapes: Mapping[str, Shape]) -> None:
    blobs = input_blobs(net)
    for name, shape in shapes.items():
        if name not in blobs:
            raise UsageError(f'the net has no input "{name}"; its inputs are {", ".join(blobs)}')
        if min(shape) < 1:
            raise UsageError(f"--shape gives {name} the sizes {','.join(map(str, shape))}; each is 1 or more")
        blobs[name].reshape(*shape)
    if shapes:
        net.reshape()


def _described(value: object) -> str:
    dims = value.type.tensor_type.shape.dim  # type: ignore[attr-defined]
    sizes = [dim.dim_param or str(dim.dim_value) for dim in dims]
    return f"{value.name}: {' x '.join(sizes) or 'one number'}"  # type: ignore[attr-defined]
