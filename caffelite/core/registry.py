"""One way to find a class or function by the name a prototxt uses: layers, solvers, fillers, policies, commands."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from caffelite.core.errors import UnknownNameError
from caffelite.core.prototxt.suggest import did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of thing and what they stand for; a name is taken once and unknown ones are answered."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._members: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate the class or function that `name` stands for; AssertionError if the name is taken."""

        def add(member: T) -> T:
            assert name not in self._members, f"{self.kind} {name} is registered twice"
            self._members[name] = member
            return member

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._members:
            raise UnknownNameError(
                f"Unknown {self.kind}: {name}{did_you_mean(name, self._members)} (known: {', '.join(self)})"
            )
        return self._members[name]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        """Names in ASCII order."""
        return iter(sorted(self._members))
