"""Forms of layer types in ONNX, a file a family; see caffelite/onnx_export/form.py."""
