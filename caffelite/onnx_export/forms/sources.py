"""Forms of the layers that make values of nothing; and those that cannot be exported, with what to do."""

from __future__ import annotations

import numpy as np

from caffelite.onnx_export.form import form, refuse
from caffelite.onnx_export.writer import Writer


@form("Parameter")
def parameter(writer: Writer) -> str:
    """Pass the learned blob on."""
    return writer.weight(0)


@form("ContinuationIndicator")
def continuation_indicator(writer: Writer) -> str:
    """Write a constant."""
    values = np.ones(writer.top_shapes[0])
    values[0] = 0
    return writer.constant(values)


@form("DummyData")
def dummy_data(writer: Writer) -> list[str]:
    """Write constants; random numbers are refused."""
    fillers = list(writer.param.dummy_data_param.data_filler)
    for filler in fillers:
        if filler.type != "constant":
            raise writer.error("data_filler.type", f'"{filler.type}"', "a model makes no random numbers; use Input")
    values = [filler.value for filler in fillers] or [0.0]
    values = values * len(writer.top_shapes) if len(values) == 1 else values
    return [writer.constant(np.full(shape, value)) for shape, value in zip(writer.top_shapes, values, strict=True)]


DEPLOY = "export the net for use, which `caffelite deploy FILE -o deploy.prototxt` makes of the one for training"
refuse(
    f"it reads its data from files, while a model is given them; {DEPLOY}",
    *("Data", "HDF5Data", "ImageData", "MemoryData", "WindowData"),
)
refuse(
    f"it compares with labels, which is for training; {DEPLOY}",
    *("Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss"),
    *("SigmoidCrossEntropyLoss", "SoftmaxWithLoss"),
)
refuse("it writes a file; take the layer out of the net", "HDF5Output")
refuse(
    "it runs Python code, which ONNX cannot hold; let the net end before the layer and do its part in the program "
    "that runs the model, or write a form for the type: caffelite.onnx_export.form",
    "Python",
)
