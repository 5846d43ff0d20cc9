"""Take a net out of caffelite as an ONNX file: one form a layer type, in forms/."""

from caffelite.onnx_export.file import export_file
from caffelite.onnx_export.form import form
from caffelite.onnx_export.model import export_net
from caffelite.onnx_export.writer import Writer

__all__ = ["Writer", "export_file", "export_net", "form"]
