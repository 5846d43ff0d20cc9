"""Terms: what a value or a gradient is the sum of, and the register of rules that say so for each layer class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, TypeVar

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.layer import Layer

BOTTOM, PARAM, TOP = "bottom", "param", "top"


@dataclass(frozen=True)
class Terms:
    """Some terms of one kind, as arrays with an entry for each; all numbers are float64.

    values: what they add. role, number, places: where in which blob each comes from ("bottom" 0, flat index), or no
    role for what comes from no blob. factors times inputs are the values, where that is how they are made. params are
    the flat indices of factors that are a parameter's, the one of `param_number`, or with factor_role "bottom" that
    bottom's. text says what else there is to know.
    """

    values: Array
    role: str = ""
    number: int = 0
    places: Array | None = None
    inputs: Array | None = None
    factors: Array | None = None
    param_number: int = 0
    params: Array | None = None
    text: str = ""
    factor_role: str = PARAM


class At(Protocol):
    """A layer in its net, as its last passes were: what rules look at. Places are flat indices, of any shape."""

    layer: Any  # rules know the class that they are for

    def bottom_shape(self, number: int) -> Shape:
        """Return the shape of a bottom."""

    def top_shape(self, number: int) -> Shape:
        """Return the shape of a top."""

    def num_bottoms(self) -> int:
        """Return how many bottoms there are."""

    def num_tops(self) -> int:
        """Return how many tops there are."""

    def bottom(self, number: int, places: Any) -> Array:
        """Return values of a bottom as the layer found them, in float64."""

    def top(self, number: int, places: Any) -> Array:
        """Return values of a top as the layer made them, in float64."""

    def top_diff(self, number: int, places: Any) -> Array:
        """Return gradients of a top as the layer found them, in float64."""

    def param(self, number: int, places: Any) -> Array:
        """Return values of a parameter, in float64."""

    def gets_gradient(self, number: int) -> bool:
        """Return whether backward fills the diff of a bottom."""


Rule = Callable[[At, int, int], list[Terms]]
R = TypeVar("R", bound=Rule)
VALUES: dict[type[Layer], Rule] = {}
GRADIENTS: dict[type[Layer], Rule] = {}
PARAM_GRADIENTS: dict[type[Layer], Rule] = {}


def value_of(*classes: type[Layer]) -> Callable[[R], R]:
    """Decorate `rule(at, top number, flat place)`, which returns the terms of a value of a top of these layers."""
    return _adder(VALUES, classes)


def gradient_of(*classes: type[Layer]) -> Callable[[R], R]:
    """Decorate `rule(at, bottom number, flat place)`, which returns the terms of a gradient of a bottom."""
    return _adder(GRADIENTS, classes)


def param_gradient_of(*classes: type[Layer]) -> Callable[[R], R]:
    """Decorate `rule(at, parameter number, flat place)`, which returns the terms of a gradient of a parameter."""
    return _adder(PARAM_GRADIENTS, classes)


def _adder(table: dict[type[Layer], Rule], classes: Iterable[type[Layer]]) -> Callable[[R], R]:
    def add(rule: R) -> R:
        for layer_class in classes:
            assert layer_class not in table, f"{layer_class.__name__} has two rules"
            table[layer_class] = rule
        return rule

    return add


def rule_for(table: dict[type[Layer], Rule], layer: Layer) -> Rule | None:
    """Return the rule for a layer, that of its class or of the nearest base; None if there is none."""
    _load_rules()
    return next((table[base] for base in type(layer).__mro__ if base in table), None)


def _load_rules() -> None:
    from caffelite.inspection.why import rules

    for found in iter_modules(rules.__path__):
        import_module(f"{rules.__name__}.{found.name}")


def channel_places(around: tuple[int, int, int], channel: int) -> Array:
    """Return the flat indices of a channel's values in a blob; around: (outer, channels, inner), its shape."""
    outer, channels, inner = around
    places: Array = (np.arange(outer)[:, None] * channels + channel) * inner + np.arange(inner)
    return places.reshape(-1)


# Terms as most rules make them


def read(at: At, number: int, places: Any, factors: Any = None, text: str = "") -> Terms:
    """Return factors x values of a bottom; the values themselves without factors."""
    flat = np.atleast_1d(np.asarray(places, np.int64)).reshape(-1)
    inputs = at.bottom(number, flat)
    return _times(BOTTOM, number, flat, inputs, factors, text)


def sent(at: At, number: int, places: Any, factors: Any = None, text: str = "") -> Terms:
    """Return factors x gradients of a top; the gradients themselves without factors."""
    flat = np.atleast_1d(np.asarray(places, np.int64)).reshape(-1)
    return _times(TOP, number, flat, at.top_diff(number, flat), factors, text)


def _times(role: str, number: int, places: Array, inputs: Array, factors: Any, text: str) -> Terms:
    if factors is None:
        return Terms(inputs, role, number, places, inputs, text=text)
    every = np.broadcast_to(np.asarray(factors, np.float64).reshape(-1), inputs.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        return Terms(every * inputs, role, number, places, inputs, every, text=text)


def weighted(at: At, terms: Terms, param_number: int, params: Array) -> Terms:
    """Return the terms multiplied by values of a parameter, which become their factors."""
    flat = np.asarray(params, np.int64).reshape(-1)
    factors = at.param(param_number, flat)
    return Terms(
        factors * terms.values, terms.role, terms.number, terms.places, terms.inputs, factors, param_number, flat
    )


def sent_times(at: At, number: int, places: Any, bottom: int, bottom_places: Any) -> Terms:
    """Return gradients of a top, each times a value of a bottom."""
    flat = np.asarray(bottom_places, np.int64).reshape(-1)
    terms = sent(at, number, places, at.bottom(bottom, flat))
    return replace(terms, param_number=bottom, params=flat, factor_role=BOTTOM)


def parameter(at: At, number: int, place: int, text: str = "") -> Terms:
    """Return one value of a parameter, such as a bias."""
    values = at.param(number, np.array([place]))
    return Terms(values, PARAM, number, np.array([place]), values, text=text)


def constant(value: float, text: str) -> Terms:
    """Return one number that comes from no blob."""
    return Terms(np.array([value], np.float64), text=text)


def made_of(values: Any, role: str, number: int, places: Any, inputs: Any, text: str) -> Terms:
    """Return terms that are no products: a function of what stands at these places."""
    arrays = (np.atleast_1d(np.asarray(array, np.float64)).reshape(-1) for array in (values, inputs))
    made, read_there = arrays
    return Terms(made, role, number, np.atleast_1d(np.asarray(places, np.int64)).reshape(-1), read_there, text=text)
