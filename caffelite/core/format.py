"""Numbers, shapes and messages as Caffe's log prints them: people's parsers expect its text."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from google.protobuf.message import Message

from caffelite.core.prototxt.own_fields import unfolded
from caffelite.proto.caffe_pb2 import BlobProto

if TYPE_CHECKING:  # the command line's help does without numpy
    import numpy.typing as npt


def number(value: float) -> str:
    """Return `value` as a C++ stream does, with 6 significant digits: 0.1, 1e-05, 100000, 1e+06, nan, inf."""
    return f"{value:g}"


def shape_string(shape: Sequence[int]) -> str:
    """Return a shape with its count: `2 3 (6)`, a scalar as `(1)`."""
    return "".join(f"{dim} " for dim in shape) + f"({prod(shape)})"


def shape_or_scalar(shape: Sequence[int]) -> str:
    """Return a shape as an error text names it: as `shape_string`, but () as `a scalar`."""
    return shape_string(shape) if shape else "a scalar"


def mean_abs(values: "npt.NDArray[Any]") -> str:
    """Return the mean absolute value as debug_info prints it; 0 of no values."""
    return number(float(abs(values).sum()) / values.size) if values.size else "0"


class MessageText:
    """The text of a message, made when it is printed: a log line that nobody reads costs nothing."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def __str__(self) -> str:
        """Return the text in prototxt's form, without a newline at the end."""
        return unfolded(text_format.MessageToString(self._message, message_formatter=_short_blob).rstrip())


def message_text(message: Message) -> MessageText:
    """Return an object for the arguments of a log call, whose str() is the text of `message` as it is then.

    Of blobs only shape and size are shown: `blobs { shape { dim: 2 dim: 3 } (6 values) }`, on three lines. Weights as
    text would take minutes.
    """
    return MessageText(message)


def _short_blob(message: Message, indent: int, as_one_line: bool) -> str | None:
    """Return what stands for a blob's fields; None for other messages, which are printed as they are."""
    if not isinstance(message, BlobProto):
        return None
    shape = BlobProto()
    for name in ("shape", "num", "channels", "height", "width"):
        if message.HasField(name):
            shape.MergeFrom(BlobProto(**{name: getattr(message, name)}))
    count = len(message.double_data) or len(message.data)
    return f"{text_format.MessageToString(shape, as_one_line=True)} ({count} values)".lstrip()
