"""What an ONNX file became."""

from __future__ import annotations

from typing import NamedTuple

from caffelite.core.prototxt.write import net_text
from caffelite.onnx_import.building import Made
from caffelite.proto.caffe_pb2 import NetParameter


class Imported(NamedTuple):
    """A net, its layers with their weights, what was decided on the way, and the first lines of its prototxt.

    `net` has no weights: these are beside it, in `layers`, as float32 arrays.
    """

    net: NetParameter
    layers: list[Made]
    notes: list[str]
    comments: list[str]

    def text(self) -> str:
        """Return the prototxt."""
        return net_text(self.net, self.comments)
