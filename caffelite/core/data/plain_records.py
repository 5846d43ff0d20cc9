"""Many records at once, where they are alike: small images cost less to compute with than to unpack one by one."""

from __future__ import annotations

import math

import numpy as np
from google.protobuf.message import DecodeError

from caffelite.core.blob import Array
from caffelite.core.data.datum import Label, label_of
from caffelite.proto import caffe_pb2

MAX_TAILS = 10000  # remembered; there are as many as labels


class PlainRecords:
    """Reads records whose bytes are `head`, pixels, `tail`: the same head in all, a label in the tail.

    Writers of protobuf put fields in the order of their numbers, so this is how all raw images of one size look:
    channels, height, width, data in front, the label behind.
    """

    def __init__(self) -> None:
        self._head = b""
        self._shape = (0, 0, 0)
        self._labels: dict[bytes, Label] = {}

    def read(self, values: list[bytes] | Array) -> tuple[Array, list[Label]] | None:
        """Return pixels, (N, C, H, W) uint8, and labels of N records; None if they are not alike, or not plain.

        Values of one length may be given as an array, (N, length) uint8.
        """
        if not isinstance(values, np.ndarray):
            length = len(values[0])
            if not length or any(len(value) != length for value in values):
                return None
            values = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), length)
        head = self._head
        if not head or not self._begin_with(values, head):
            head = self._learn_head(values[0].tobytes())
            if not head or not self._begin_with(values, head):
                return None
        channels, height, width = self._shape
        end = len(head) + channels * height * width
        tails = _items(values[:, end:])
        try:
            known = list(map(self._labels.__getitem__, tails))
        except KeyError:
            if not self._learn_tails(set(tails)):
                return None
            known = list(map(self._labels.__getitem__, tails))
        return values[:, len(head) : end].reshape(len(values), channels, height, width), known

    def _begin_with(self, values: Array, head: bytes) -> bool:
        count = math.prod(self._shape)
        if values.shape[1] < len(head) + count:
            return False
        return values[:, : len(head)].tobytes() == head * len(values)

    def _learn_head(self, value: bytes) -> bytes:
        """Remember and return the head of a plain record; b"" if it is none."""
        self._head = b""
        try:
            datum = caffe_pb2.Datum.FromString(value)
        except DecodeError:
            return b""
        shape = (datum.channels, datum.height, datum.width)
        count = shape[0] * shape[1] * shape[2]
        if datum.encoded or min(shape) < 1 or len(datum.data) != count:
            return b""
        front = caffe_pb2.Datum(channels=shape[0], height=shape[1], width=shape[2], data=datum.data)
        head = front.SerializeToString(deterministic=True)[:-count]
        if value.startswith(head):
            self._head, self._shape = head, shape
        return self._head

    def _learn_tails(self, tails: set[bytes]) -> bool:
        """Remember the labels of these tails; False if one holds anything that changes how the pixels are read."""
        if len(self._labels) + len(tails) > MAX_TAILS:
            self._labels.clear()
        for tail in tails:
            try:
                datum = caffe_pb2.Datum.FromString(tail)
            except DecodeError:
                return False
            if datum.encoded or {field.name for field, _ in datum.ListFields()} - {"label", "labels", "encoded"}:
                return False
            self._labels[tail] = label_of(datum)
        return True


def _items(rows: Array) -> list[bytes]:
    """Return the bytes of each row."""
    size = rows.shape[1]
    if not size:
        return [b""] * len(rows)
    items: list[bytes] = np.ascontiguousarray(rows).view(np.dtype((np.void, size)))[:, 0].tolist()
    return items
