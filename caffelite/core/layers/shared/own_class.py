"""A layer type made of a class that derives from caffelite.Layer, as those of `type: "Python"` do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelite import python_layer
from caffelite.core.errors import UsageError
from caffelite.core.layer import Layer
from caffelite.proto import caffe_pb2


def made_of(user_class: type[Any]) -> type[Layer]:
    """Return a layer class whose layers let objects of `user_class` compute; UsageError if it is no layer.

    The object gets `layer_param` and `user_param` before its setup.
    """
    from caffelite.core.layers.python import PythonLayer

    if not isinstance(user_class, type) or not issubclass(user_class, python_layer.Layer):
        raise UsageError(f"register_layer takes a class derived from Layer, not {user_class!r}")

    class OwnLayer(PythonLayer):
        formula = ""
        not_read = {}

        def _check_allowed(self) -> None:
            """Allow it: the user named the module, not the prototxt."""

        def _user_class(self) -> Callable[[caffe_pb2.LayerParameter], Any]:
            return self._with_fields

        def _with_fields(self, layer_param: caffe_pb2.LayerParameter) -> Any:
            made = user_class(layer_param)
            made.layer_param, made.user_param = layer_param, self.user_param
            return made

        def _user_code(self) -> tuple[str, str]:
            return "type", f'"{self.type}"'

        def _described(self) -> str:
            return f"{user_class.__module__}.{user_class.__qualname__}"

    OwnLayer.__name__, OwnLayer.__qualname__ = user_class.__name__, user_class.__qualname__
    OwnLayer.__module__, OwnLayer.__doc__ = user_class.__module__, user_class.__doc__
    return OwnLayer
