"""Protobuf's wire format read in place: the fields of a message as positions in a mapped file, no value copied.

A caffemodel is mostly a few large arrays, and forks of Caffe disagree about the numbers of all other fields: those are
stepped over unread. Every length is checked against the file before it is believed.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from caffelite.core.errors import WeightsError
from caffelite.core.file_kinds import HEAD, looks_like
from caffelite.core.files import file_problem

Array = npt.NDArray[Any]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10


class Field(NamedTuple):
    """One field: its number, how it is stored, and its value (VARINT) or the bytes start .. end that hold it.

    Of fixed-size numbers, a run of fields of one number counts as one: each value stands behind one byte of tag.
    """

    number: int
    kind: int
    value: int
    start: int
    end: int


class WireFile:
    """A file that holds one message, mapped into memory; arrays taken from it keep the map alive.

    Raises WeightsError naming the file and what it looks like if it cannot be read or holds something else.
    """

    def __init__(self, path: str | Path, what: str) -> None:
        """Map the file; `what` says in errors what was expected, such as `caffemodel`."""
        self.path, self.what = Path(path), what
        if problem := file_problem(path):
            raise WeightsError(problem)
        try:
            with open(path, "rb") as file:
                if kind := looks_like(file.read(HEAD)):
                    raise WeightsError(f"{path}: {kind.instead_of(f'a {what}')}")
                self.buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as err:
            raise WeightsError(f"{path}: cannot be read ({err.strerror or err})") from None
        self.bytes = np.frombuffer(self.buffer, np.uint8)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return int(self.bytes.size)

    def damaged(self, text: str) -> WeightsError:
        """Return the error to raise where the contents make no sense."""
        return WeightsError(
            f"{self.path}: {text}; the file is damaged, was not copied completely, or is not a {self.what}"
        )

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """Walk the fields of the message in bytes start .. end (the whole file by default)."""
        position, end = start, self.size if end is None else end
        while position < end:
            tag_start = position
            tag, position = self._varint(position, end)
            number, kind = tag >> 3, tag & 7
            if number == 0 or kind not in (VARINT, FIXED64, LENGTH, FIXED32):
                raise self.damaged(f"there is no field at byte {tag_start}")
            value, first = 0, position
            if kind == VARINT:
                value, position = self._varint(position, end)
            elif kind == LENGTH:
                length, first = self._varint(position, end)
                position = self._after(first, length, end)
            elif position == tag_start + 1:
                first, position = tag_start, self._run_end(tag_start, _FIXED_SIZES[kind] + 1, end)
            else:
                first, position = position - 1, self._after(position, _FIXED_SIZES[kind], end)
            yield Field(number, kind, value, first, position)

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        for place in range(position, min(end, position + _LONGEST_VARINT)):
            byte = self.buffer[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, place + 1
            shift += 7
        raise self.damaged(f"a number at byte {position} does not end")

    def _after(self, start: int, length: int, end: int) -> int:
        if length > end - start:
            raise self.damaged(f"a field at byte {start} should have {length} bytes, but only {end - start} are left")
        return start + length

    def _run_end(self, start: int, step: int, end: int) -> int:
        """Return where the run of values that begins with the tag at `start` ends."""
        stop = self._after(start, step, end)
        look = 16  # doubled each time, so that looking takes no longer than the run
        while stop + step <= end:
            tags = self.bytes[stop : min(end - step + 1, stop + look * step) : step]
            others = np.flatnonzero(tags != self.bytes[start])
            if others.size:
                return stop + int(others[0]) * step
            stop += tags.size * step
            look *= 2
        return stop

    def text(self, field: Field) -> str:
        """Return the string in a LENGTH field."""
        data = bytes(self.buffer[field.start : field.end])
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def integers(self, field: Field) -> list[int]:
        """Return the int32 or int64 values of a field, packed or not."""
        if field.kind == VARINT:
            return [_signed(field.value)]
        values, position = [], field.start
        while field.kind == LENGTH and position < field.end:
            value, position = self._varint(position, field.end)
            values.append(_signed(value))
        return values

    def numbers(self, field: Field, dtype: str) -> Array:
        """Return a view of the fixed-size numbers of a field, packed or not; `dtype` such as `<f4`."""
        size = np.dtype(dtype).itemsize
        if _FIXED_SIZES.get(field.kind) == size:
            count = (field.end - field.start) // (size + 1)
            strided: Array = np.ndarray((count,), dtype, self.buffer, field.start + 1, (size + 1,))
            return strided
        length = field.end - field.start
        if field.kind != LENGTH or length % size:
            raise self.damaged(f"a field of {length} bytes at byte {field.start} does not hold {size}-byte numbers")
        return np.frombuffer(self.buffer, dtype, length // size, field.start)


def _signed(value: int) -> int:
    """Return an int32 or int64 from its 64-bit two's complement."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
