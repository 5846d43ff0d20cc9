"""How a kernel's shares of work get to the threads: a call of the threading layer's own entry point.

numba's `prange` ends in the same call, but compiles the loop's body several times on the way: a second or two for each
parallel kernel, which is most of what compiling LeNet's kernels used to take.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

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
