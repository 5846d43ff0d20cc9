"""Source: what a data layer reads its records from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from caffelite.core.blob import Array

Records = TypeVar("Records", covariant=True)


class Source(Protocol[Records]):
    """Records by position: 0 is the first one of the training, and positions go on where the source starts over.

    `count` is the number of records of one round, None where it is not known. One thread at a time.
    """

    @property
    def count(self) -> int | None:
        """Records of one round."""

    def read(self, positions: range) -> Records:
        """Return the records at these positions; reading onwards is fast, going back may not be.

        Raises DataError for a record that cannot be read.
        """

    def get_state(self) -> dict[str, Any]:
        """Return what later records depend on besides their position, such as the order of a shuffle.

        It is asked for before and after each batch and kept beside the layer's "position" and "skipped", names that it
        must leave free; what it returned stays as it is when more is read, since the batch is used later.
        """

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up a state that `get_state` returned."""

    def close(self) -> None:
        """Give back files."""


class Undecoded(NamedTuple):
    """Records whose pixels and labels are still to be made of `values`, which takes most of the time.

    `decode(key, value)` returns pixels, (C, H, W), and label of one of them, or raises DataError, naming file and key;
    several threads call it at once.
    """

    keys: list[bytes]
    values: Sequence[Any]
    decode: Callable[[bytes, Any], tuple[Array, Any]]


@runtime_checkable
class FetchingSource(Protocol[Records]):
    """What a Source has, too, that leaves decoding to whoever asks: threads, for a layer that reads ahead."""

    def fetch(self, positions: range) -> Records | Undecoded:
        """Return what `read` returns, or the records undecoded; raises DataError if the source itself is damaged."""
