"""What the user gave us cannot work: one family of exceptions, each saying where, what, and what to write instead."""

import re

LONGEST_LINE = 2000
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return text in which something from a file may stand as a terminal can show it.

    Control characters, which move the cursor or change colours, become escapes (`\x1b`), and of a line of more than
    2000 characters the middle is left out.
    """
    escaped = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    if len(escaped) <= LONGEST_LINE:
        return escaped
    return "\n".join(map(_cut, escaped.split("\n")))


def _cut(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    head, tail = LONGEST_LINE * 2 // 3, LONGEST_LINE // 4
    return f"{line[:head]} ... ({len(line) - head - tail} characters) ... {line[-tail:]}"


class CaffeliteError(RuntimeError):
    """Something the user gave us cannot work. Never a bug of ours."""

    def __str__(self) -> str:
        return printable(self.message())

    def message(self) -> str:
        """Return the text, in which whatever a file holds may stand as it is: `str` makes it printable."""
        return str(self.args[0]) if self.args else ""


class PrototxtError(CaffeliteError, ValueError):
    """A prototxt file cannot be read; one problem a line, each beginning with file:line:column."""


def require_callable(callback: object) -> None:
    """Raise TypeError for a callback that cannot be called, when it is given and not when its time has come."""
    if not callable(callback):
        raise TypeError(f"a callback is a function, not {callback!r}")


class LayerError(CaffeliteError, ValueError):
    """A layer cannot be set up or run as written; the Net fills in `where`."""

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(field, value, fix)
        self.field, self.value, self.fix, self.where = field, value, fix, ""

    def message(self) -> str:
        """Return `where: field is value; what to write instead`."""
        return f"{self.where}{self.field} is {self.value}; {self.fix}"


class NetError(CaffeliteError, ValueError):
    """The layers do not fit together, or do not fit in memory."""


class OutOfMemoryError(NetError, MemoryError):
    """The system gives no more memory, though the net was found to fit when it was built, or a limit is set."""


class UnknownNameError(CaffeliteError, KeyError):
    """A name (type, layer, blob, policy, ...) that nobody registered or made."""


class SolverError(CaffeliteError, ValueError):
    """A solver cannot be made or run with these parameters."""


class DataError(CaffeliteError, ValueError):
    """A database, record, image or dataset file cannot be used."""


class WeightsError(CaffeliteError, ValueError):
    """A caffemodel, solverstate or mean file cannot be read, written, or does not fit the net."""


class UsageError(CaffeliteError, ValueError):
    """A command line or call that does not make sense; says what to write."""


class CopyError(CaffeliteError, TypeError):
    """A net or solver cannot be copied or pickled; says what to do instead. A RuntimeError as pycaffe's."""
