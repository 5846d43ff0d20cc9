"""What tiles are given, as named tuples: matrices by address and strides, and what intrinsics need to read them.

Between kernels a named tuple costs nothing, since LLVM sees its fields one by one; passed from Python it takes numba
1 to 3 us to recognise.
"""

from typing import Any, NamedTuple

from numba import errors, types

from caffelite.core.kernels.ir.vectors import FLOATS, INTS


class Matrix(NamedTuple):
    """A matrix by the address of its first float, and how many floats its rows and its columns are apart."""

    data: Any
    row_stride: int
    column_stride: int


class RowMajor(NamedTuple):
    """A matrix whose rows are runs of floats: the address of the first float, and how many floats rows are apart."""

    data: Any
    stride: int


class Runs(NamedTuple):
    """`number` runs of floats, which may overlap: run i starts at data + offsets[i], int32.

    Where rows of a matrix are runs, a shifted view of an image is one, and no im2col is needed.
    """

    data: Any
    offsets: Any
    number: int


class Start(NamedTuple):
    """What a tile adds its sums to: where `more` is not 0 what is there already, else bias[row]."""

    bias: Any
    more: int


def operand(arg: Any, kind: type) -> Any:
    """Return numba's type of an argument of an intrinsic, a `kind` of integers and pointers to float32 or int32."""
    fields = arg.types if getattr(arg, "instance_class", None) is kind else (None,)
    if not all(isinstance(field, types.Integer) or field in (FLOATS, INTS) for field in fields):
        raise errors.TypingError(f"a {kind.__name__} is wanted, not {arg}")
    return arg


def unpacked(context: Any, builder: Any, signature: Any, args: Any) -> list[Any]:
    """Return the arguments of an intrinsic; those that are named tuples hold LLVM's values, integers as 64 bits."""
    return [_fields(context, builder, kind, value) for kind, value in zip(signature.args, args, strict=True)]


def _fields(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if not isinstance(kind, types.BaseNamedTuple):
        return value
    values = [builder.extract_value(value, i) for i in range(len(kind))]
    return kind.instance_class(
        *(
            context.cast(builder, part, field, types.int64) if isinstance(field, types.Integer) else part
            for part, field in zip(values, kind.types, strict=True)
        )
    )
