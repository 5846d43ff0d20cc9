"""Ctrl-C while a kernel is compiled or loaded: one KeyboardInterrupt, at once, with a short traceback.

LLVM is in C for most of that time, and calls Python when an object is made. Python takes the signal up there, and what
is raised where C called Python is printed and dropped: the object is missing then, and numba fails with a RuntimeError.
What is raised in the callback of a weak reference is dropped, too, and what is raised between two steps of handing a
module to LLVM leaves it half handed over: the kernel cannot be compiled any more.
"""

import signal
import threading
from types import FrameType

# Functions that C calls, and whose exceptions are dropped; and those that count what begins and ends.
_HOLDING = ("_raw_object_cache_notify", "_raw_object_cache_getbuffer", "__del__", "on_start", "on_end")
# Modules of such functions, and what hands modules to LLVM.
_HOLDING_MODULES = ("weakref", "_weakrefset", "llvmlite.binding")


class Interrupts:
    """Python's own handler of SIGINT, but for holding back what would be dropped; from `begin` to `end`, nested.

    Handlers of others are left alone, as those of the command line.

    modules: more modules that must not be interrupted half way, by the beginnings of their names.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = (*_HOLDING_MODULES, *modules)
        self._depth = 0
        self._held = False

    def begin(self) -> None:
        """Take interrupts up from now on."""
        if threading.current_thread() is not threading.main_thread():  # Python lets no other thread take signals
            return
        if self._depth == 0 and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._take)
        self._depth += 1  # only now: before, an interrupt leaves nothing to end

    def end(self, raised: type[BaseException] | None = None) -> None:
        """Raise KeyboardInterrupt if one came, or if that is what was `raised` inside: without numba's inner frames."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._depth -= 1
        if self._depth == 0 and signal.getsignal(signal.SIGINT) == self._take:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._held or raised is KeyboardInterrupt:
            self._held = False
            raise KeyboardInterrupt from None

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._held = True  # to the end, if what is raised here is dropped on the way
        while frame is not None:
            if frame.f_code.co_name in _HOLDING or _module_of(frame).startswith(self._modules):
                return
            frame = frame.f_back
        raise KeyboardInterrupt


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
