"""All that caffelite uses of numba beyond what numba promises to keep.

Compiled kernels on disk under names and stamps of our own, objects that kernels can call, a launch on the threads
without `prange`, and the features of the CPU that code is made for. Imported only with a numba that it was tested with;
see versions.py.
"""

import hashlib
import os
import pickle
import types as python_types
import weakref
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import caching, cgutils, event
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.extending import intrinsic

from caffelite.core.kernels.jit.cache import FileForEachKey, cache_folder
from caffelite.core.kernels.jit.interrupts import Interrupts
from caffelite.core.kernels.jit.once import made_once
from caffelite.core.kernels.jit.progress import watch
from caffelite.core.kernels.jit.sources import has_source, place_of, source_stamp
from caffelite.core.kernels.jit.versions import PUBLIC_OPTIONS

# A process forked while another thread compiled would wait for ever to compile.
os.register_at_fork(
    before=global_compiler_lock.acquire,
    after_in_parent=global_compiler_lock.release,
    after_in_child=global_compiler_lock.release,
)

# without a form for C code to call, which none does
OPTIONS = {**PUBLIC_OPTIONS, "no_cfunc_wrapper": True}


def written_features() -> str:
    """Return the features of the CPU that numba makes code for, as `+avx,+avx2,-avx512f`."""
    return str(cpu_target.target_context.codegen().magic_tuple()[2])


class Kernel:
    """A function compiled in two forms: one that kernels call, one that Python calls.

    Most kernels are only called by kernels, and what takes Python's arguments apart takes long to compile. Either form
    is made when it is first needed.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self._function = function

    @made_once
    def inner(self) -> Any:
        """Return the form that kernels call."""
        return _compile(self._function, self._function, no_cpython_wrapper=True)

    @made_once
    def outer(self) -> Any:
        """Return the form that Python calls."""
        twin = _renamed(self._function, "python")
        return _compile(twin, twin)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes this object for where a kernel names it."""
        return self.inner._numba_type_

    def __call__(self, *args: Any) -> Any:
        """Run on the calling thread."""
        return self.outer(*args)


def launcher_of(share: Kernel, function: Callable[..., Any]) -> Any:
    """Return the compiled function of the number of workers and the arguments that calls `share` on the threads."""
    named = _renamed(function, "parallel")

    def run(workers: int, *args: Any) -> None:
        launch(share, workers, args)

    run.__qualname__, run.__module__ = named.__qualname__, named.__module__
    return _compile(run, named)


interrupts = Interrupts("numba.core.codegen")
_ours: weakref.WeakSet[Any] = weakref.WeakSet()  # not what else the user's program compiles


class _Compiling(event.Listener):  # type: ignore[misc]
    """Tells of our kernels that are compiled, not of those that are loaded."""

    def __init__(self) -> None:
        self._begun: list[Any] = []  # the data of their events: numba ends also what an interrupt kept from beginning

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] in _ours:
            interrupts.begin()
            self._begun.append(event.data)
            watch.begin(name_of(event.data["dispatcher"].py_func))

    def on_end(self, event: Any) -> None:
        if self._begun and self._begun[-1] is event.data:
            self._begun.pop()
            raised = event._exc_details[0] if event._exc_details else None
            watch.end(is_compiled=raised is None)
            interrupts.end(raised)


event.register("numba:compile", _Compiling())


def name_of(function: Callable[..., Any]) -> str:
    """Return how a kernel is called where people and tables speak of it, as relu._relu_forward.python."""
    module = function.__module__ or ""  # what was made by exec has none
    return f"{module.removeprefix('caffelite.core.kernels.')}.{function.__qualname__}"


def _compile(function: Callable[..., Any], named: Callable[..., Any], **options: Any) -> Any:
    """Compile `function`, and keep it on disk under the name, and as long as the source, of `named`."""
    compiled = numba.njit(function, **OPTIONS, **options)
    _ours.add(compiled)
    if has_source(named) and cache_folder() is not None:
        stored = KernelCache(named)
        if stored.stamp is not None:
            compiled._cache = stored
    return compiled


def _renamed(function: Callable[..., Any], suffix: str) -> Callable[..., Any]:
    """Copy `function` under another name: the cache tells its files apart by name."""
    assert isinstance(function, python_types.FunctionType)
    twin = python_types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__ = f"{function.__qualname__}.{suffix}"
    twin.__module__ = function.__module__
    return twin


class _MachineCode(FileForEachKey):
    """What numba stores and asks for, as bytes of numba's own pickler, which knows its objects."""

    def load(self, key: Any) -> Any:
        """Return what was saved for this key from the same sources; None if nothing was."""
        stored = super().load(key)
        return None if stored is None else pickle.loads(stored)

    def save(self, key: Any, data: Any) -> None:
        """Keep `data`."""
        super().save(key, dumps(data))


class _KernelLocator(caching._CacheLocator):  # type: ignore[misc]
    """Where numba keeps a kernel's machine code, and what must be unchanged for it to be used."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._stamp = source_stamp(py_func)
        self._place = hashlib.sha256(place_of(py_file).encode()).hexdigest()[:10]

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def ensure_cache_path(self) -> None:
        """Do nothing: numba would make the folder, and raise where it cannot; cache.py warns."""

    def get_source_stamp(self) -> str | None:
        return self._stamp

    def get_disambiguator(self) -> str:
        return self._place

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_KernelLocator":
        return cls(py_func, py_file)


class _KernelCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_KernelLocator]


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """What numba asks for compiled code of one function, and gives it."""

    _impl_class = _KernelCacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._kernel = name_of(function)
        impl = self._impl
        self.stamp: str | None = impl.locator.get_source_stamp()  # None: nothing may be kept under its name
        self._cache_file = _MachineCode(impl.locator.get_cache_path(), impl.filename_base, str(self.stamp))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled code for a signature; None if there is none, or the file holds another's."""
        interrupts.begin()
        try:
            loaded = super().load_overload(sig, target_context)
        finally:
            interrupts.end()
        if loaded is None or tuple(loaded.signature.args) != tuple(sig):
            return None
        watch.loaded(self._kernel)
        return loaded


FAILED = "a worker of a parallel kernel failed; its serial form tells why"


@intrinsic
def launch(typingctx: Any, task: Any, workers: Any, args: Any) -> Any:
    """Call task(*args, worker, workers) for each worker on a thread of its own, and wait for all of them.

    Raises RuntimeError if one of them raised. numba.get_num_threads() must have been called before, in this process:
    that is what starts the threads and makes `numba_parallel_for` known to the linker.
    """
    signature = task.get_call_type(typingctx, (*args.types, types.intp, types.intp), {})
    compiled = task.dispatcher.get_compile_result(signature)

    def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
        context.add_linking_libs([compiled.library])
        intp, byte = context.get_value_type(types.intp), cgutils.voidptr_t
        workers, failed = values[1], cgutils.alloca_once_value(builder, cgutils.false_bit)
        bundle = cgutils.pack_struct(builder, [values[2], workers, failed])
        share = _share_function(context, builder.module, compiled.fndesc, signature, bundle.type)
        # One "array" whose element i is at address i: the layer moves along it, and so tells each call its number.
        numbers = cgutils.alloca_once_value(builder, byte(None))
        count = cgutils.alloca_once_value(builder, workers)
        step = cgutils.alloca_once_value(builder, intp(1))
        data = cgutils.alloca_once_value(builder, bundle)
        parallel_for = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte] * 5 + [intp] * 3), "numba_parallel_for"
        )
        addresses = [builder.bitcast(address, byte) for address in (share, numbers, count, step, data)]
        builder.call(parallel_for, [*addresses, intp(0), intp(1), workers])
        with cgutils.if_unlikely(builder, builder.load(failed)):
            context.call_conv.return_user_exc(builder, RuntimeError, (FAILED,))
        return context.get_dummy_value()

    return types.void(task, workers, args), codegen


def _share_function(context: Any, module: Any, task: Any, signature: Any, bundle: Any) -> Any:
    """Add to the module what the layer calls: it does the shares of dimensions[0] workers, from args[0] on."""
    byte, intp = cgutils.voidptr_t, context.get_value_type(types.intp)
    shape = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), intp.as_pointer(), intp.as_pointer(), byte])
    function = ir.Function(module, shape, module.get_unique_name("share"))
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    numbers, count, _, data = function.args
    given = builder.load(builder.bitcast(data, bundle.as_pointer()))
    packed, workers, failed = cgutils.unpack_tuple(builder, given, 3)
    args = cgutils.unpack_tuple(builder, packed, len(signature.args) - 2)
    first = builder.ptrtoint(builder.load(numbers), intp)
    callee = context.declare_function(module, task)
    with cgutils.for_range(builder, builder.load(count)) as loop:
        all_args = [*args, builder.add(first, loop.index), workers]
        status, _ = context.call_conv.call_function(builder, callee, signature.return_type, signature.args, all_args)
        with cgutils.if_unlikely(builder, status.is_error):
            builder.store(cgutils.true_bit, failed)
    builder.ret_void()
    return function
