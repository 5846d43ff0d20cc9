"""ONNX files become Caffe's: a prototxt and a caffemodel. `pip install 'caffelite[onnx]'` brings what reads them."""
