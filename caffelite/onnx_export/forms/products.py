"""Forms of InnerProduct and Embed."""

from __future__ import annotations

from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import INT64
from caffelite.onnx_export.writer import Writer


@form("InnerProduct")
def inner_product(writer: Writer) -> str:
    """Write Gemm on items made flat; the axes before them, if not one, are put back behind."""
    layer = writer.layer
    axis, outputs = layer.axis, layer.num_output
    value = writer.bottom
    if (writer.num_axes, axis) != (2, 1):
        value = writer.op("Flatten", value, axis=axis)
    weights = [writer.weight(number) for number in range(len(layer.blobs))]
    made = writer.op("Gemm", value, *weights, transB=0 if layer.transpose else 1)
    return made if axis == 1 else writer.op("Reshape", made, _kept(writer, axis, outputs))


def _kept(writer: Writer, axis: int, outputs: int) -> str:
    """Return a shape: the bottom's axes before `axis`, then the outputs."""
    if axis == 0:
        return writer.ints(outputs)
    sizes = writer.bottom_shapes[0][:axis]
    return writer.ints(-1, *sizes[1:], outputs)


@form("Embed")
def embed(writer: Writer) -> str:
    """Write Gather of rows, and Add of the bias."""
    made = writer.op("Gather", writer.weight(0), writer.op("Cast", writer.bottom, to=INT64), axis=0)
    return writer.op("Add", made, writer.weight(1)) if writer.param.embed_param.bias_term else made
