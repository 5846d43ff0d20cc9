import numpy as np
import pytest
from numba import errors, types
from numba.extending import intrinsic

from caffelite.core.kernels.ir.operands import Matrix, RowMajor, operand, unpacked
from caffelite.core.kernels.ir.pointers import pointer
from caffelite.core.kernels.ir.vectors import at
from caffelite.core.kernels.jit.compile import kernel


@intrinsic
def element(typingctx, matrix, row, column):
    """matrix[row, column] of a Matrix."""

    def codegen(context, builder, signature, args):
        matrix, row, column = unpacked(context, builder, signature, args)
        down, across = builder.mul(row, matrix.row_stride), builder.mul(column, matrix.column_stride)
        return builder.load(at(builder, matrix.data, builder.add(down, across)))

    return types.float32(operand(matrix, Matrix), types.int64, types.int64), codegen


@kernel
def transposed_element(array, row, column):
    # strides of other kinds of integers than 64 bits with a sign
    return element(Matrix(pointer(array, 0), np.uint8(1), np.int32(array.shape[1])), row, column)


@kernel
def element_of_rows(array, row, column):
    return element(RowMajor(pointer(array, 0), array.shape[1]), row, column)


def test_fields_are_read_by_name_whatever_integers_they_are():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert transposed_element(array, 2, 1) == array[1, 2]


@pytest.mark.parametrize(
    ("wrong", "dtype"), [(element_of_rows, np.float32), (transposed_element, np.float64)], ids=["tuple", "number type"]
)
def test_another_tuple_and_another_number_type_are_refused(wrong, dtype):
    with pytest.raises(errors.TypingError, match="a Matrix is wanted, not"):
        wrong(np.zeros((2, 3), dtype), 0, 0)
