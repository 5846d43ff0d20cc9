"""From an ONNX graph in plain Python to ONNX's own message, checked. The only file that needs the package onnx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffelite.core.errors import NetError, UsageError
from caffelite.core.net.net import Net
from caffelite.onnx_export.build import graph_of_net
from caffelite.onnx_export.fold import fold
from caffelite.onnx_export.form import load_forms
from caffelite.onnx_export.graph import Graph
from caffelite.onnx_export.sizes import free_sizes, name_sizes

if TYPE_CHECKING:
    import onnx

# of 2021, which runtimes of today take; before 14 the reference evaluator trains in BatchNormalization
OPSET = 15
IR_VERSION = 8  # the file format of that time
LARGEST = 2**31 - 1  # bytes that protobuf can write


def export_net(net: Net, folded: bool = False) -> onnx.ModelProto:
    """Return the ONNX model of a net of phase TEST: what `caffelite convert` writes.

    `folded`: BatchNorm, Scale and Bias become part of the convolutions and inner products before them, as far as nobody
    else reads what is between. Batch, height and width are free where the net allows it: to find out, the net is
    reshaped, and though it has its shapes again afterwards, the values of its blobs are gone. Raises LayerError for a
    layer that ONNX cannot say, NetError for a net without outputs or a model above 2 GB, and UsageError without the
    package onnx.
    """
    require_onnx()
    load_forms()
    graph = graph_of_net(net)
    if not graph.outputs:
        raise NetError("the net has no output, and programs run no such model; leave out the Silence layer of one blob")
    name_sizes(graph, free_sizes(net, graph, graph_of_net))
    if folded:
        fold(graph)
    return model_of(graph)


def require_onnx() -> None:
    """Raise UsageError, which says what to install, unless the package onnx is there."""
    try:
        import onnx  # noqa: F401
    except ImportError as err:
        raise UsageError(f"ONNX models need the package onnx ({err}): pip install 'caffelite[onnx]'") from None


def model_of(graph: Graph) -> onnx.ModelProto:
    """Return the model of a graph whose sizes are named; it has passed ONNX's checker, with shape inference."""
    import onnx
    from onnx import helper, numpy_helper

    values = graph.values()
    size = sum(array.nbytes for array in values.values())
    if size > LARGEST - 2**20:
        raise NetError(f"the weights take {size / 1e9:.1f} GB; a file of ONNX holds at most 2 GB")
    made = onnx.GraphProto(name=graph.name)
    made.node.extend(
        helper.make_node(op.type, op.inputs, op.outputs, name=op.name, **op.attributes) for op in graph.ops
    )
    made.initializer.extend(numpy_helper.from_array(array, name) for name, array in values.items())
    made.input.extend(_info(graph, name) for name in graph.inputs)
    made.output.extend(_info(graph, name) for name in graph.outputs)
    ends = {*graph.inputs, *graph.outputs}
    made.value_info.extend(_info(graph, name) for name in graph.dims if name not in ends)
    model = helper.make_model(
        made, producer_name="caffelite", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _info(graph: Graph, name: str) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, graph.dims[name])
