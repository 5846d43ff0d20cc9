"""An attribute that is made when it is first asked for, without a lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class made_once(Generic[T]):  # noqa: N801  a decorator
    """Decorate a method without arguments: its result becomes an attribute of the object.

    functools.cached_property holds a lock meanwhile (before Python 3.12), one for all objects of a class. A process
    that is forked while another thread compiles a kernel would wait for that lock for ever. Here two threads may both
    make it; the first one's is kept.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> T:
        value: T = instance.__dict__.setdefault(self._name, self._make(instance))
        return value
