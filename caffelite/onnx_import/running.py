"""The two files that are made, read back as a user's program will: the net has the shapes of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from caffelite.core.errors import CaffeliteError
from caffelite.core.format import shape_string
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.weights.formats import copy_trained_layers
from caffelite.onnx_import.building import Building
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.imported import Imported
from caffelite.onnx_import.writing import write_both
from caffelite.proto.caffe_pb2 import TEST


@contextmanager
def read_back(imported: Imported) -> Iterator[Net]:
    """Write both files into a folder for a while, and give the net that is made of them.

    Raises OnnxError where they make none.
    """
    with TemporaryDirectory() as folder:
        try:
            prototxt, caffemodel = write_both(imported, Path(folder, "net"))
            param, lines, _ = load_net(prototxt, layer_type_list())
            draft = Draft.of(param, lines)
            net = Net(draft.with_param(with_caller_state(draft.param, TEST)), Context())
            copy_trained_layers(net.weight_layers(), caffemodel, all_needed=bool(net.learnable_params))
        except CaffeliteError as err:
            said = re.sub(rf"{re.escape(folder)}/net\.\w+:(\d+:)* ?", "", str(err))  # nobody can look there
            raise OnnxError(f"the net that it makes cannot be built: {said}") from None
        try:
            yield net
        finally:
            net.close()


def check_shapes(net: Net, building: Building) -> None:
    """Raise OnnxError unless each blob has the shape of the tensor that it was made for."""
    for node in net.graph().nodes:
        for blob, shape in zip(node.tops, node.top_shapes, strict=True):
            tensor = building.sources.get(blob)
            if tensor is not None:
                theirs = building.shape(tensor)
                if tuple(shape) != theirs:
                    raise OnnxError(
                        f'"{tensor}" would have the shape {shape_string(shape)} in place of {shape_string(theirs)}; '
                        "this is a fault of the conversion: nothing was written"
                    )
