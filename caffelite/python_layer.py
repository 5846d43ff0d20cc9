"""Layer: the base of users' own layers, `type: "Python"` in a prototxt.

Source: include/caffe/layers/python_layer.hpp.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from caffelite.core import layer as core
from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError
from caffelite.core.vectors import BlobVec
from caffelite.proto import caffe_pb2


class _AnyLayer(ABCMeta):  # of ABCMeta, so that a user's class may be abstract, too
    """Lets isinstance say of the built-in layers that they are Layers; they do not derive from it."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or (cls is Layer and isinstance(instance, core.Layer))


class Layer(metaclass=_AnyLayer):
    """What a layer written in Python derives from; `import caffe` and `class Mine(caffe.Layer)` works as well.

    The net makes it with its LayerParameter, sets `param_str` and `phase` (TRAIN or TEST), calls `setup(bottom, top)`
    once, and `reshape(bottom, top)` before every `forward(bottom, top)`. `backward(top, propagate_down, bottom)`
    overwrites the diff of each bottom i for which propagate_down[i] is true and adds to the diffs of `self.blobs`.
    `bottom` and `top` are sequences of blobs: `bottom[0].data`, `top[0].diff`, `top[0].reshape(2, 3)`.

    Every layer of a net, also a built-in one, is an instance of this class, as in pycaffe.

    Parameters are made in setup by `self.blobs.add_blob(2, 3)`. A layer that has to remember something for a resumed
    run gives `get_state()`, a dict of numbers, strings and arrays, and `set_state(state)`.
    """

    param_str: str
    phase: int

    def __init__(self, layer_param: caffe_pb2.LayerParameter) -> None:
        """`param_str` and `phase` do not exist yet; a class with an __init__ of its own passes `layer_param` on."""

    @property
    def type(self) -> str:
        """`Python`."""
        return "Python"

    @property
    def blobs(self) -> BlobVec:
        """The parameters, saved and trained like those of any layer."""
        found: BlobVec = self.__dict__.setdefault("_param_blobs", BlobVec())
        return found

    @property
    def param_str_(self) -> str:
        """`param_str` under the name it had before Caffe 1.0."""
        return self.param_str

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> Any:
        """Read `param_str`, make parameters; the bottoms have their shapes, the tops not yet."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> Any:
        """Give the tops their shapes; here, refuse: a layer has to say them."""
        raise LayerError(
            "reshape",
            f"missing in class {type(self).__name__}",
            "shape the tops in reshape(self, bottom, top), or write `pass` there if setup does",
        )


def prepare(
    layer: Layer, param_str: str, phase: int, blobs: Iterable[Blob] = (), dtype: npt.DTypeLike = np.float32
) -> None:
    """Set what a layer has before its setup: `param_str`, `phase`, and stored parameters if there are any."""
    layer.__dict__["_param_blobs"] = BlobVec(blobs, dtype=dtype)
    layer.param_str, layer.phase = param_str, phase
