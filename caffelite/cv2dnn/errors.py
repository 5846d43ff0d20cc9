"""What goes wrong is a cv2.error, for scripts that catch it, and a CaffeliteError, with its text."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from caffelite.core.errors import CaffeliteError
from caffelite.cv2dnn.installed import opencv_or_none

P = ParamSpec("P")
T = TypeVar("T")

# OpenCV's numbers of errors, which scripts find in `error.code`.
BAD_ARGUMENT, NOT_FOUND, NOT_IMPLEMENTED, UNSPECIFIED = -5, -204, -213, -2


class DnnError(CaffeliteError):
    """A net or a call that cannot work; `code` is OpenCV's number of the kind, `err` and `msg` the text."""

    def __init__(self, text: str, code: int = UNSPECIFIED) -> None:
        super().__init__(text)
        self.code = code
        self.err = self.msg = str(self)
        self.file, self.func, self.line = "", "", -1


def error(text: str, code: int = UNSPECIFIED) -> DnnError:
    """Return the error to raise: also a cv2.error where OpenCV is installed."""
    return _error_class()(text, code)


def _error_class() -> type[DnnError]:
    global _made
    if _made is None:
        cv2 = opencv_or_none()
        _made = DnnError if cv2 is None else type("DnnError", (DnnError, cv2.error), {"__module__": __name__})
    return _made


_made: type[DnnError] | None = None


def raises_cv2_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate what scripts call: a CaffeliteError inside comes out as an error of `error`, with the same text."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except DnnError:
            raise
        except CaffeliteError as err:
            raise error(str(err)) from err

    return call


def all_raise_cv2_errors(cls: type[T]) -> type[T]:
    """Decorate a class: of all its public methods, as raises_cv2_errors."""
    for name, value in list(vars(cls).items()):
        if callable(value) and not name.startswith("_"):
            setattr(cls, name, raises_cv2_errors(_function(value)))
    return cls


def _function(value: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = value
    return function
