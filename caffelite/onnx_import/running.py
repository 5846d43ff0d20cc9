"""The net that was made, built and run: its shapes are the model's, and so are its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.format import shape_string
from caffelite.core.layer import Context
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.onnx_import.building import Building, Made
from caffelite.onnx_import.errors import OnnxError
from caffelite.proto.caffe_pb2 import TEST, NetParameter

TOLERANCE = 1e-4  # of the largest value of an output, or of 1


def built(net: NetParameter, layers: Sequence[Made]) -> Net:
    """Return the net with its weights in it; NetError or LayerError if it cannot work."""
    draft = Draft.of(net)
    made = Net(draft.with_param(with_caller_state(draft.param, TEST)), Context())
    by_name = made.layers_by_name()
    for param, blobs in layers:
        for blob, values in zip(by_name[param.name].blobs, blobs, strict=True):
            blob.data[...] = values
    return made


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


def prove(net: Net, model: Any, blobs: dict[str, str]) -> tuple[float, str]:
    """Run net and model on the same random input; return how far they are apart, and who ran the model.

    model: the ModelProto as it was read. blobs: tensor -> blob, of all inputs and outputs. Raises OnnxError where they
    differ by more than 1e-4 of an output's largest value (or of 1), and where nobody can run the model.
    """
    random = np.random.default_rng(0)
    feed: dict[str, Array] = {}
    held = {name: blob for index in range(len(net.core_layers)) for name, blob in net.tops(index)}
    for name in sorted(blobs.keys() & {entry.name for entry in model.graph.input}):
        target = held[blobs[name]].data
        target[...] = feed[name] = random.standard_normal(target.shape).astype(np.float32)
    net.forward_pass()
    wanted = [entry.name for entry in model.graph.output]
    answers, judge = _answers(model, wanted, feed)
    furthest = 0.0
    for name, theirs in zip(wanted, answers, strict=True):
        difference = _distance(held[blobs[name]], np.asarray(theirs, np.float64))
        if not difference <= TOLERANCE:
            raise OnnxError(
                f'output "{name}" of shape {shape_string(np.shape(theirs))} differs by {difference:.3g} '
                f"from what {judge} computes of the same random input; nothing was written{_doubt(judge)}"
            )
        furthest = max(furthest, difference)
    return furthest, judge


def _answers(model: Any, wanted: list[str], feed: dict[str, Array]) -> tuple[list[Any], str]:
    """Return the outputs of the model by onnxruntime, where it is installed, else by ONNX's reference evaluator."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        try:
            return list(ReferenceEvaluator(model).run(wanted, feed)), "ONNX's reference evaluator"
        except Exception as err:  # whatever its Python code stumbles at
            raise OnnxError(
                f"ONNX's reference evaluator cannot run the model ({type(err).__name__}: {err}), so nothing proves "
                "the answers: pip install onnxruntime, which runs it"
            ) from err
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(wanted, feed), "onnxruntime"


def _doubt(judge: str) -> str:
    """Return what else a difference may mean: the reference evaluator is wrong about LRN of other than C images."""
    return "" if judge == "onnxruntime" else " (pip install onnxruntime to have it asked instead)"


def _distance(blob: Blob, theirs: Array) -> float:
    """Return the largest difference, as a share of the largest value where that is above 1; nan of a nan."""
    ours = blob.data.reshape(theirs.shape)
    return float(np.abs(ours - theirs).max(initial=0) / max(1.0, np.abs(theirs).max(initial=0)))
