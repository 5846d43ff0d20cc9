"""cv2.dnn's reader of Caffe models, which OpenCV 5 has lost: readNetFromCaffe, readNet and the Net they return.

All other names are those of the OpenCV that is installed: `cv2dnn.blobFromImage` is cv2.dnn.blobFromImage.
`caffelite.install_in_cv2()` puts these functions into cv2.dnn itself. What they do was learned from OpenCV 4.14.
"""

from typing import Any

from caffelite.cv2dnn.installed import opencv
from caffelite.cv2dnn.layer import Layer
from caffelite.cv2dnn.net import Net
from caffelite.cv2dnn.read import readNet, readNetFromCaffe
from caffelite.cv2dnn.user_layers import dnn_registerLayer, dnn_unregisterLayer

__all__ = ["Layer", "Net", "dnn_registerLayer", "dnn_unregisterLayer", "readNet", "readNetFromCaffe"]


def __getattr__(name: str) -> Any:
    """Return what cv2.dnn has of that name; AttributeError if it has none, DataError if there is no OpenCV."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(opencv(f"caffelite.cv2dnn.{name}").dnn, name)
