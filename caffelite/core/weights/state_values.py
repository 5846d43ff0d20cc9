"""What layers keep between passes, as messages: numbers, strings and arrays by layer and name."""

from typing import Any

import numpy as np

from caffelite.core.errors import WeightsError
from caffelite.proto.caffe_pb2 import NetStateValues, StateValue

LayerStates = dict[str, dict[str, Any]]

_KINDS = "biufU"  # numpy's: truth values, integers, numbers, text


def pack(states: LayerStates) -> NetStateValues:
    """Return what `Net.get_state` gave as a message."""
    packed = NetStateValues()
    for layer, state in states.items():
        for name, value in state.items():
            packed.value.append(_packed(layer, name, np.asarray(value)))
    return packed


def _packed(layer: str, name: str, array: np.ndarray[Any, Any]) -> StateValue:
    assert array.dtype.kind in _KINDS, f"layer {layer} keeps {name} as {array.dtype}, which a solverstate cannot hold"
    dtype = array.dtype.newbyteorder("<")
    return StateValue(layer=layer, name=name, dtype=dtype.str, dim=array.shape, data=array.astype(dtype).tobytes())


def unpack(packed: NetStateValues) -> LayerStates:
    """Return what `Net.set_state` takes; values without axes as Python's. WeightsError if sizes and data disagree."""
    states: LayerStates = {}
    for value in packed.value:
        states.setdefault(value.layer, {})[value.name] = _unpacked(value)
    return states


def _unpacked(value: StateValue) -> Any:
    try:
        dtype = np.dtype(value.dtype)
        if dtype.kind not in _KINDS:
            raise ValueError(f"values of type {value.dtype}")
        array = np.frombuffer(value.data, dtype).reshape(tuple(value.dim)).copy()
    except (TypeError, ValueError) as err:
        raise WeightsError(f"the state of layer '{value.layer}' cannot be read: {value.name}: {err}") from err
    return array if value.dim else array.item()
