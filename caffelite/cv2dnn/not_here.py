"""Methods of cv2.dnn.Net that a net of Caffe's here has no use for: each is refused with what to do instead."""
# ruff: noqa: N802, N803  (names are OpenCV's)

from __future__ import annotations

from typing import Any, NoReturn

from caffelite.cv2dnn.errors import NOT_IMPLEMENTED, error

_CHANGE = "the net of a prototxt is not changed while it runs; change the prototxt"
_PLAIN = "the net is not quantized; it computes in float32"
_PROFILE = "getPerfProfile gives the time of each layer"
_CACHE = "there is no such cache in nets of Caffe"
REASONS = {
    "addLayer": _CHANGE,
    "addLayerToPrev": _CHANGE,
    "connect": _CHANGE,
    "registerOutput": "every layer is an output: forward(name) returns what it computes",
    "quantize": "there is no computing in int8 here; run the net as it is, in float32",
    "forwardAsync": "call forward, in a thread of its own if need be",
    "getInputDetails": _PLAIN,
    "getOutputDetails": _PLAIN,
    "readFromModelOptimizer": "this is a net of Caffe; cv2.dnn.readNetFromModelOptimizer reads others",
    "setHalideScheduler": "there is no Halide here, and no need of it",
    "dumpToPbtxt": "dumpToFile writes a graph for Graphviz; Netron opens the prototxt itself",
    "enableKVCache": _CACHE,
    "disableKVCache": _CACHE,
    "resetKVCache": _CACHE,
    "getModelFormat": "the net is of Caffe's format, for which OpenCV 5 has no number",
    "getProfilingMode": _PROFILE,
    "setProfilingMode": _PROFILE,
    "printPerfProfile": _PROFILE,
    "getTracingMode": _PROFILE,
    "setTracingMode": _PROFILE,
}


class NotHere:
    """Refuses the methods in REASONS."""


def _refusal(name: str, reason: str) -> Any:
    def refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
        raise error(f"{name} is not here: {reason}", NOT_IMPLEMENTED)

    refuse.__name__ = name
    refuse.__doc__ = f"Refuse: {reason}."
    return refuse


for _name, _reason in REASONS.items():
    setattr(NotHere, _name, _refusal(_name, _reason))
