"""Nets written in Python: `layers` make tops of tops, a NetSpec names them. Source: python/caffe/net_spec.py.

::

    from caffelite import layers as L, params as P, NetSpec

    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 32, 32]))
    n.conv1 = L.Convolution(n.data, num_output=16, kernel_size=3, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    print(n.to_proto())
"""

from __future__ import annotations

import copy
import operator
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from caffelite.assign_proto import NetSpecError, _param_names, assign_layer_field, assign_proto, param_name_dict
from caffelite.core.errors import UnknownNameError
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto import caffe_pb2

__all__ = [
    "Function",
    "Layers",
    "NetSpec",
    "NetSpecError",
    "Parameters",
    "Top",
    "UnknownTopError",
    "_param_names",
    "assign_proto",
    "layers",
    "param_name_dict",
    "params",
    "to_proto",
]


class UnknownTopError(UnknownNameError, AttributeError):
    """A name that no top of a NetSpec has. KeyError as in pycaffe, and AttributeError so that hasattr works."""


class Top:
    """Output number `n` of the layer `fn`."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> caffe_pb2.NetParameter:
        """Return the net that makes this top, all names being automatic."""
        return to_proto(self)

    def __repr__(self) -> str:
        return f"<Top {self.n} of {self.fn!r}>"


class Function:
    """A layer: its type, the tops that it reads, its parameters, and its own `tops`.

    Of the parameters, `ntop` is how many tops it has (1), and `in_place` whether these are its inputs (False).
    Raises NetSpecError, a TypeError, for an input that is no Top.
    """

    def __init__(self, type_name: str, inputs: Iterable[Any], params: Mapping[str, Any]) -> None:
        self.type_name = type_name
        self.inputs: tuple[Top, ...] = tuple(inputs)
        for index, given in enumerate(self.inputs):
            if not isinstance(given, Top):
                raise NetSpecError("%s input %d is not a Top (type is %s)" % (type_name, index, type(given)))  # noqa: UP031
        self.params = dict(params)
        self.ntop: int = operator.index(self.params.pop("ntop", 1))
        if self.ntop < 0:
            raise NetSpecError(f"{type_name}: ntop is {self.ntop}; use 0 or more")
        self.in_place = bool(self.params.pop("in_place", False))
        if self.in_place and self.ntop > len(self.inputs):
            raise NetSpecError(
                f"{type_name} with in_place=True has {self.ntop} tops and {len(self.inputs)} inputs, which are its tops"
            )
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def __repr__(self) -> str:
        return f"<{self.type_name} of {len(self.inputs)} inputs>"


def _in_order(last: Iterable[Function]) -> Iterator[Function]:
    """Give each of the functions behind all that it needs, once; inputs in their order. Chains may be of any length."""
    done: set[Function] = set()
    for function in last:
        waiting = [function]
        while waiting:
            needed = next((top.fn for top in waiting[-1].inputs if top.fn not in done), None)
            if needed is not None:
                waiting.append(needed)
            elif (ready := waiting.pop()) not in done:
                done.add(ready)
                yield ready


def _net_of(last: Iterable[Function], names: Mapping[Function | Top, str]) -> caffe_pb2.NetParameter:
    """Return the net of the functions and of what they need, named as given, else by type and number."""
    net = caffe_pb2.NetParameter()
    namer = _Namer(names)
    blob_names: dict[Top, str] = {}
    for function in _in_order(last):
        layer = net.layer.add(type=function.type_name, bottom=[blob_names[top] for top in function.inputs])
        if function.in_place:
            layer.top.extend(layer.bottom)
        else:
            layer.top.extend(namer.name(top, function) for top in function.tops)
        layer.name = namer.name(function.tops[0] if function.tops else function, function)
        blob_names.update(zip(function.tops, layer.top, strict=False))  # in place it may have more inputs than tops
        for field, value in function.params.items():
            try:
                assign_layer_field(layer, field, value)
            except NetSpecError as err:
                raise NetSpecError(f'layer "{layer.name}" ({function.type_name}): {err.message()}') from None
    return net


class _Namer:
    """The user's names, and automatic ones that are not among them: ReLU1, ReLU2, ... as they are asked for."""

    def __init__(self, names: Mapping[Function | Top, str]) -> None:
        self._names = dict(names)
        self._taken = set(names.values())
        self._last: Counter[str] = Counter()

    def name(self, thing: Function | Top, function: Function) -> str:
        while thing not in self._names:
            self._last[function.type_name] += 1
            name = f"{function.type_name}{self._last[function.type_name]}"
            if name not in self._taken:
                self._names[thing] = name
        return self._names[thing]


def to_proto(*tops: Top) -> caffe_pb2.NetParameter:
    """Return the net that makes the tops, all names being automatic: Convolution1, ReLU1, ...

    Raises NetSpecError for what is no Top, or a parameter that its layer cannot have.
    """
    for top in tops:
        if not isinstance(top, Top):
            raise NetSpecError(f"to_proto takes tops, not {_described(top)}")
    return _net_of((top.fn for top in tops), {})


def _described(value: object) -> str:
    """Return what an error calls a thing that is no Top, and what to do about it."""
    if isinstance(value, Function):
        return f"the layer {value!r}, which has no top: assign it to a NetSpec and use its to_proto()"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}: name each, as in n.data, n.label = L.Data(..., ntop=2)"
    return f"{value!r} ({type(value).__name__})"


class NetSpec:
    """Named tops. `n.conv1 = top` or `n["conv1"] = top` names one, and its layer; `n.conv1` gives it again.

    Of a layer without tops (`ntop=0`) the layer itself is named. Raises NetSpecError, a TypeError, for anything else.
    """

    tops: OrderedDict[str, Top | Function]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise NetSpecError(f"a top is named by a text, not by {name!r}")
        if not isinstance(value, Top) and not (isinstance(value, Function) and not value.tops):
            raise NetSpecError(f'"{name}" is given {_described(value)}; a name is given to one Top')
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks for, also of an object that is not set up yet
            raise AttributeError(name)
        return self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        if name not in self.tops:
            raise UnknownTopError(f'no top "{name}"{did_you_mean(name, self.tops)}')
        return self.tops[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tops

    def __iter__(self) -> Iterator[str]:
        return iter(self.tops)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tops]

    def to_proto(self) -> caffe_pb2.NetParameter:
        """Return the layers of all named tops in the order of naming, each behind what it needs; the net has no name.

        Raises NetSpecError, naming layer and field, for a parameter that a layer cannot have.
        """
        return _net_of(self._functions(), {thing: name for name, thing in self.tops.items()})

    def _functions(self) -> list[Function]:
        return [thing.fn if isinstance(thing, Top) else thing for thing in self.tops.values()]

    def __copy__(self) -> NetSpec:
        new = type(self)()
        new.tops.update(self.tops)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> NetSpec:
        copies: dict[Function, Function] = {}
        for function in _in_order(self._functions()):
            inputs = [copies[top.fn].tops[top.n] for top in function.inputs]
            given = {**copy.deepcopy(function.params, memo), "ntop": function.ntop, "in_place": function.in_place}
            copies[function] = Function(function.type_name, inputs, given)
        new = type(self)()
        for name, thing in self.tops.items():
            new[name] = copies[thing.fn].tops[thing.n] if isinstance(thing, Top) else copies[thing]
        return new


class Layers:
    """`layers.Convolution(bottom, ..., num_output=16)`, and so for any other type; see `layers`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def layer(*bottoms: Top, **parameters: Any) -> Any:
            function = Function(name, bottoms, parameters)
            if not function.tops:
                return function
            return function.tops[0] if len(function.tops) == 1 else function.tops

        layer.__name__ = layer.__qualname__ = name
        layer.__doc__ = f"Return the top of a layer of type {name}; `ntop` tops as a tuple; with ntop=0 the Function."
        return layer

    def __dir__(self) -> list[str]:
        from caffelite.core.layer import layer_type_list

        return [*super().__dir__(), *layer_type_list()]


class Parameters:
    """`params.Pooling.MAX` is caffe_pb2.PoolingParameter.MAX, and so for every message; see `params`."""

    def __getattr__(self, name: str) -> _Family:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Family(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_param_names]


class _Family:
    """The constants of one message; it is looked up only when one of them is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, constant: str) -> Any:
        if constant.startswith("_"):
            raise AttributeError(constant)
        message = getattr(caffe_pb2, f"{self._name}Parameter", None)
        if message is None:
            raise NetSpecError(f'no parameters "{self._name}"{did_you_mean(self._name, _param_names)}')
        if not hasattr(message, constant):
            known = message.DESCRIPTOR.enum_values_by_name
            raise NetSpecError(f'{self._name} has no constant "{constant}"{did_you_mean(constant, known)}')
        return getattr(message, constant)


layers = Layers()
params = Parameters()
