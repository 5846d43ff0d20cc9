"""Keyword arguments to fields of a LayerParameter, as NetSpec writes them. Source: python/caffe/net_spec.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffelite.core.errors import CaffeliteError
from caffelite.core.prototxt.own_fields import USER_TYPES, of_value
from caffelite.core.prototxt.suggest import any_of, did_you_mean
from caffelite.core.type_names import DEPTHWISE
from caffelite.proto import caffe_pb2

# Types without a message of their own that read another's; their keywords go there.
READ_ANOTHERS = {
    **dict.fromkeys((*DEPTHWISE, "Deconvolution"), "convolution_param"),
    "Im2col": "convolution_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
    "ReLU6": "relu6_param",
    "Unpooling": "unpooling_param",
}
MOST_HINTS = 3
OF_FORKS = 10000  # the first number of fields that Caffe 1.0 lacks


class NetSpecError(CaffeliteError, AttributeError, TypeError, ValueError):
    """A net that is written in Python cannot become a NetParameter; pycaffe raised one of these bases for each case."""


def param_name_dict() -> dict[str, str]:
    """Return message type without "Parameter" -> field without "_param", of all `x_param` fields of a layer.

    Of several fields of one type, as relu_param and a fork's relu6_param, that of the lowest number is taken: Caffe's.
    """
    names: dict[str, str] = {}
    by_number = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_number
    for field in (by_number[number] for number in sorted(by_number)):
        if field.name.endswith("_param") and field.message_type is not None:
            names.setdefault(field.message_type.name.removesuffix("Parameter"), field.name.removesuffix("_param"))
    return names


_param_names = param_name_dict()


def assign_proto(proto: Message, name: str, val: Any) -> None:
    """Set field `name` of a message; what a repeated field has already is kept, and `val` comes behind it.

    `val` is a number, text or bytes, the name or number of an enum's value, a dict of the fields of a message, or that
    message. A repeated field takes one of these or a list, tuple or array of them. Raises NetSpecError, naming the
    innermost field, for an unknown one or a value of another type.
    """
    _assign(proto, name, val, "")


def assign_layer_field(layer: caffe_pb2.LayerParameter, name: str, val: Any) -> None:
    """Set what the keyword `name` of a layer of `layer.type` means.

    A name that ends in "param" is a field of the layer; any other is one of the type's own message if it has such a
    field, else of the layer. Raises NetSpecError.
    """
    own = own_message(layer.type)
    if not name.endswith("param") and own and name in getattr(layer, own).DESCRIPTOR.fields_by_name:
        _assign(getattr(layer, own), name, val, f"{own}.")
    elif name in layer.DESCRIPTOR.fields_by_name:
        _assign(layer, name, val, "")
    elif layer.type in USER_TYPES and name.endswith("param"):
        _add_own(layer, name, val)
    else:
        raise NetSpecError(f'no field "{name}"{_hint(layer, own, name)}')


def _add_own(layer: caffe_pb2.LayerParameter, name: str, val: Any) -> None:
    """Add a field that the schema lacks to a layer of a type that the user registered."""
    try:
        text = of_value(name, val)
    except ValueError as err:
        raise NetSpecError(str(err)) from None
    layer.own_fields = f"{layer.own_fields}\n{text}".lstrip()


def own_message(type_name: str) -> str:
    """Return the field that keywords of a layer type go to: "convolution_param"; "" if it has none."""
    if type_name in READ_ANOTHERS:
        return READ_ANOTHERS[type_name]
    return f"{_param_names[type_name]}_param" if type_name in _param_names else ""


def _hint(layer: caffe_pb2.LayerParameter, own: str, name: str) -> str:
    """Return what may have been meant by a keyword that the type does not know."""
    messages = [layer, getattr(layer, own)] if own else [layer]
    known = {field for message in messages for field in message.DESCRIPTOR.fields_by_name}
    if meant := did_you_mean(name, known):
        return meant
    homes = [
        (field, field.message_type.fields_by_name[name])
        for field in layer.DESCRIPTOR.fields
        if field.name.endswith("_param")
        and field.message_type is not None
        and name in field.message_type.fields_by_name
    ]
    caffes = [field for field, inner in homes if max(field.number, inner.number) < OF_FORKS]
    others = [field.name for field in caffes or (field for field, _ in homes)]
    if not 1 <= len(others) <= MOST_HINTS:
        return ""
    return f"; write {any_of(f'{other}=dict({name}=...)' for other in others)} if the layer reads it"


def _assign(proto: Message, name: str, val: Any, inside: str) -> None:
    path = f"{inside}{name}"
    field = proto.DESCRIPTOR.fields_by_name.get(name) if isinstance(name, str) else None
    if field is None:
        raise NetSpecError(
            f'{path}: {proto.DESCRIPTOR.name} has no field "{name}"'
            f"{did_you_mean(name, proto.DESCRIPTOR.fields_by_name)}"
        )
    target = getattr(proto, name)
    if hasattr(target, "extend"):
        for item in _items(val):
            if field.message_type is not None:
                _fill(target.add(), item, path)
            else:
                _checked(target.append, field, item, path)
    elif field.message_type is not None:
        _fill(target, val, path)
    else:
        _checked(lambda value: setattr(proto, name, value), field, val, path)


def _items(val: Any) -> Iterable[Any]:
    """Return the values for a repeated field: those of a list, tuple or array, or the one that was given alone."""
    if isinstance(val, np.ndarray):
        return list(val.reshape(-1)) if val.ndim < 2 else [val]
    return val if isinstance(val, list | tuple) else [val]


def _fill(target: Message, val: Any, path: str) -> None:
    """Put a dict, or a message of the same type, into a message."""
    if isinstance(val, Message) and val.DESCRIPTOR is target.DESCRIPTOR:
        target.MergeFrom(val)
    elif isinstance(val, dict):
        for name, inner in val.items():
            _assign(target, name, inner, f"{path}.")
    else:
        raise NetSpecError(
            f"{path} is {val!r}; it is a {target.DESCRIPTOR.name}: write {path.rpartition('.')[2]}=dict(...)"
        )


def _checked(put: Callable[[Any], Any], field: Any, val: Any, path: str) -> None:
    """Call `put` with the value; NetSpecError with the path if the field cannot hold it."""
    if isinstance(val, list | tuple | np.ndarray):
        raise NetSpecError(f"{path} is {val!r}; the field takes one value, no list")
    if isinstance(val, np.generic):
        val = val.item()  # protobuf takes no numpy.bool
    if isinstance(val, bool) and field.cpp_type != FieldDescriptor.CPPTYPE_BOOL:
        val = int(val)  # as Python's own numbers do; newer releases of protobuf refuse it
    if field.enum_type is not None:
        val = _enum_number(field, val, path)
    try:
        put(val)
    except (TypeError, ValueError) as err:
        raise NetSpecError(f"{path} is {val!r}; {err}") from None


def _enum_number(field: Any, val: Any, path: str) -> Any:
    numbers = {value.name: value.number for value in field.enum_type.values}
    if val in numbers:
        return numbers[val]
    if isinstance(val, int) and val in numbers.values():
        return val
    raise NetSpecError(f"{path} is {val!r}; use {any_of(numbers)}{did_you_mean(str(val), numbers)}")
