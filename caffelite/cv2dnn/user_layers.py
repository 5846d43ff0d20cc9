"""Layers written for cv2.dnn_registerLayer: classes with getMemoryShapes and forward, found by a layer's type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, ClassVar

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffelite.core.blob import Array, Blob
from caffelite.core.errors import LayerError, UsageError
from caffelite.core.prototxt.own_fields import TextField, read_fields, string_value
from caffelite.cv2dnn.errors import raises_cv2_errors
from caffelite.proto.caffe_pb2 import LayerParameter
from caffelite.python_layer import Layer

UserClass = Callable[[dict[str, Any], list[Array]], Any]
_classes: dict[str, list[UserClass]] = {}


@raises_cv2_errors
def dnn_registerLayer(type: str, class_: UserClass) -> None:  # noqa: N802
    """Let `class_` compute the layers of a type in nets that are read from now on, also of types that are known.

    Of several classes for one type the last wins. Its objects are made with the layer's fields, {name: value}, and its
    parameters, a list of arrays; getMemoryShapes(inputs) returns the shapes of the outputs from those of the inputs,
    and forward(inputs) the outputs, a list of float32 arrays.
    """
    if not callable(class_):
        raise UsageError(f'the layer of type "{type}" is {class_!r}; give a class with getMemoryShapes and forward')
    _classes.setdefault(str(type), []).append(class_)


def dnn_unregisterLayer(type: str) -> None:  # noqa: N802
    """Take back the last registration of a type; nothing happens if there is none."""
    if _classes.get(type):
        _classes[type].pop()
    if not _classes.get(type):
        _classes.pop(type, None)


def class_of(type: str) -> UserClass:
    """Return the class that computes layers of a registered type."""
    return _classes[type][-1]


def registered_types() -> Collection[str]:
    """Return the types that have a class of the user's."""
    return _classes.keys()


def params_of(layer: LayerParameter) -> dict[str, Any]:
    """Return the fields of a layer's `..._param` messages as OpenCV hands them on, of nested messages too.

    Numbers and strings as they are, enums by their names, truth values as 0 and 1, what is repeated as a tuple; fields
    that caffe.proto does not have as text.
    """
    found: dict[str, Any] = {}
    for field, value in layer.ListFields():
        if field.name.endswith("_param") and isinstance(value, Message):
            found.update(_fields(value))
    return {**found, **_texts(read_fields(layer.own_fields))}


def _texts(fields: Iterable[TextField]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    for field in fields:
        if field.kind == "message":
            found.update(_texts(field.fields))
        else:
            texts.setdefault(field.name, []).append(string_value(field.text) if field.kind == "string" else field.text)
    return {**found, **{name: values[0] if len(values) == 1 else tuple(values) for name, values in texts.items()}}


def _fields(message: Message) -> Iterator[tuple[str, Any]]:
    for field, value in message.ListFields():
        if field.message_type:
            for nested in value if isinstance(value, Sequence) else [value]:
                yield from _fields(nested)
        elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            values = tuple(_plain(field, item) for item in value)
            yield field.name, values if len(values) > 1 else values[0]
        else:
            yield field.name, _plain(field, value)


def _plain(field: Any, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values_by_number[value].name
    return int(value) if isinstance(value, bool) else value


class Job:
    """What a layer in a net has of a registered class: the object, made when the net is built."""

    _numbers: ClassVar[Iterator[int]] = count()
    by_number: ClassVar[dict[str, Job]] = {}

    def __init__(self, made_by: UserClass, layer: LayerParameter, blobs: Sequence[Array]) -> None:
        """`layer` is the one of the prototxt, `blobs` are its parameters."""
        self.user = made_by(params_of(layer), list(blobs))

    def as_python_layer(self, layer: LayerParameter) -> LayerParameter:
        """Return a layer of type Python that runs the object."""
        number = str(next(self._numbers))
        self.by_number[number] = self
        made = LayerParameter(name=layer.name, type="Python", bottom=layer.bottom, top=layer.top)
        made.python_param.module, made.python_param.layer = __name__, UserLayer.__name__
        made.python_param.param_str = number
        return made


class UserLayer(Layer):
    """The layer of type Python that stands in a net for an object of the user's."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Take the object."""
        self.job = Job.by_number.pop(self.param_str)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give the tops the shapes that the object says."""
        shapes = list(self.job.user.getMemoryShapes([tuple(blob.shape) for blob in bottom]))
        if len(shapes) < len(top):
            raise self._wrong("getMemoryShapes", f"{len(shapes)} shapes", f"return {len(top)}, one for each top")
        for blob, shape in zip(top, shapes, strict=False):
            blob.reshape(*(int(size) for size in shape))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fill the tops with what the object computes."""
        outputs = self.job.user.forward(tuple(np.array(blob.data) for blob in bottom))
        outputs = [outputs] if isinstance(outputs, np.ndarray) else list(outputs)
        if len(outputs) < len(top):
            raise self._wrong("forward", f"{len(outputs)} arrays", f"return {len(top)}, one for each top")
        for blob, values in zip(top, outputs, strict=False):
            if np.shape(values) != tuple(blob.shape):
                shapes = f"an array {np.shape(values)}"
                raise self._wrong("forward", shapes, f"getMemoryShapes promised {tuple(blob.shape)}")
            blob.data[...] = values

    def _wrong(self, method: str, value: str, fix: str) -> LayerError:
        return LayerError(f"what {method} of {type(self.job.user).__name__} returns", value, fix)
