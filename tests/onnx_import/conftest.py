from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from caffelite.onnx_import.of_file import from_onnx
from caffelite.onnx_import.running import built


@pytest.fixture
def model_file(tmp_path):
    """Writes a model of nodes (operator, inputs, outputs, attributes), from x to y, and returns its path."""

    def write(nodes, shape, constants=None, opset=20, name="m"):
        made = [helper.make_node(op, ins, outs, name=f"node_{i}", **of) for i, (op, ins, outs, of) in enumerate(nodes)]
        values = [onnx.numpy_helper.from_array(np.asarray(value), key) for key, value in (constants or {}).items()]
        ends = [helper.make_tensor_value_info(key, TensorProto.FLOAT, of) for key, of in (("x", shape), ("y", None))]
        graph = helper.make_graph(made, name, ends[:1], ends[1:], values)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def run():
    """Returns what the net of an ONNX file makes of an array."""

    def of(path, x, dialect="caffelite"):
        imported = from_onnx(Path(path), dialect)
        net = built(imported.net, imported.layers)
        held = {name: blob for index in range(len(net.core_layers)) for name, blob in net.tops(index)}
        held[net.inputs[0]].data[...] = x
        net.forward_pass()
        (output,) = net.outputs
        return held[output].data

    return of
