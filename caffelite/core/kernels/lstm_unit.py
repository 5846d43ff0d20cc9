"""One time step of an LSTM after its linear maps, and its gradient. float32 and float64.

N streams of D cells: c and h are (N, D), a row of a gate array (N, 4D) holds the gates i, f, o, g one after the other.
Loops have few arrays each: with more, the compiler gives up proving that they do not overlap, and vector code with it.
"""

from typing import Any

import numpy as np

from caffelite.core.kernels.ir.math import sigmoid, tanh
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.kernels.sharing import form, share_of

Array = np.ndarray[Any, np.dtype[Any]]


def lstm_unit_forward(c_prev: Array, gate_input: Array, cont: Array, gate: Array, c: Array, tanh_c: Array,
                      h: Array) -> None:  # fmt: skip
    """Fill gate, c, tanh_c and h from the last cells, the gates' inputs and cont (N).

    Of the gates f is kept times cont, and is 0 where cont is 0, even if its input is NaN.
    """
    form(_forward, 8 * c.size)(c_prev, gate_input, cont, gate, c, tanh_c, h)


def lstm_unit_backward(c_prev: Array, gate: Array, tanh_c: Array, c_diff: Array, h_diff: Array, c_prev_diff: Array,
                       gate_input_diff: Array) -> None:  # fmt: skip
    """Fill c_prev_diff and gate_input_diff from the gradients of c and h, with gate and tanh_c as forward left them.

    The gradient of f's input is that for a cont of 0 or 1; for others Caffe's formula, taken here too, is not exact.
    """
    form(_backward, 5 * tanh_c.size)(c_prev, gate, tanh_c, c_diff, h_diff, c_prev_diff, gate_input_diff)


@parallel_kernel
def _forward(
    c_prev: Array,
    gate_input: Array,
    cont: Array,
    gate: Array,
    c: Array,
    tanh_c: Array,
    h: Array,
    worker: int,
    workers: int,
) -> None:
    begin, end = share_of(c.shape[0], worker, workers)
    for n in range(begin, end):
        _forward_row(c_prev[n], gate_input[n], cont[n], gate[n], c[n], tanh_c[n], h[n])


@kernel
def _forward_row(c_prev: Array, gate_input: Array, cont: float, gate: Array, c: Array, tanh_c: Array, h: Array) -> None:
    size = np.uintp(c.size)
    for k in range(3 * size):
        gate[k] = sigmoid(gate_input[k])
    for k in range(3 * size, 4 * size):
        gate[k] = tanh(gate_input[k])
    i, f, o, g = gate[:size], gate[size : 2 * size], gate[2 * size : 3 * size], gate[3 * size :]
    if cont == 0:
        f[:] = 0
    elif cont != 1:
        for d in range(size):
            f[d] *= cont
    for d in range(size):
        c[d] = f[d] * c_prev[d] + i[d] * g[d]
    for d in range(size):
        tanh_c[d] = tanh(c[d])
    for d in range(size):
        h[d] = o[d] * tanh_c[d]


@parallel_kernel
def _backward(
    c_prev: Array,
    gate: Array,
    tanh_c: Array,
    c_diff: Array,
    h_diff: Array,
    c_prev_diff: Array,
    gate_input_diff: Array,
    worker: int,
    workers: int,
) -> None:
    begin, end = share_of(tanh_c.shape[0], worker, workers)
    for n in range(begin, end):
        _backward_row(c_prev[n], gate[n], tanh_c[n], c_diff[n], h_diff[n], c_prev_diff[n], gate_input_diff[n])


@kernel
def _backward_row(
    c_prev: Array,
    gate: Array,
    tanh_c: Array,
    c_diff: Array,
    h_diff: Array,
    c_prev_diff: Array,
    gate_input_diff: Array,
) -> None:
    size, one = np.uintp(tanh_c.size), tanh_c.dtype.type(1)
    i, f, o, g = gate[:size], gate[size : 2 * size], gate[2 * size : 3 * size], gate[3 * size :]
    i_diff, f_diff = gate_input_diff[:size], gate_input_diff[size : 2 * size]
    o_diff, g_diff = gate_input_diff[2 * size : 3 * size], gate_input_diff[3 * size :]
    for d in range(size):
        o_diff[d] = h_diff[d] * tanh_c[d] * o[d] * (one - o[d])
    whole = c_prev_diff  # until its last loop it holds the whole gradient of c, what came through h included
    for d in range(size):
        whole[d] = c_diff[d] + h_diff[d] * o[d] * (one - tanh_c[d] * tanh_c[d])
    for d in range(size):
        i_diff[d] = whole[d] * g[d] * i[d] * (one - i[d])
    for d in range(size):
        f_diff[d] = whole[d] * c_prev[d] * f[d] * (one - f[d])
    for d in range(size):
        g_diff[d] = whole[d] * i[d] * (one - g[d] * g[d])
    for d in range(size):
        c_prev_diff[d] *= f[d]
