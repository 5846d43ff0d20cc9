"""What the user gave us cannot work: one family of exceptions, each saying where, what, and what to write instead."""


class CaffeliteError(RuntimeError):
    """Something the user gave us cannot work. Never a bug of ours."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PrototxtError(CaffeliteError, ValueError):
    """A prototxt file cannot be read; one problem a line, each beginning with file:line:column."""


class LayerError(CaffeliteError, ValueError):
    """A layer cannot be set up or run as written; the Net fills in `where`."""

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(field, value, fix)
        self.field, self.value, self.fix, self.where = field, value, fix, ""

    def __str__(self) -> str:
        return f"{self.where}{self.field} is {self.value}; {self.fix}"


class NetError(CaffeliteError, ValueError):
    """The layers do not fit together, or do not fit in memory."""


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
