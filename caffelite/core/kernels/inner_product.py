"""InnerProduct's products by number type: register tiles in float32, numpy's matrix product in float64."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from caffelite.core.kernels.gemm import gemm

Array = Any


class InnerProducts(NamedTuple):
    """Four products on matrices; see the functions of the same meaning in gemm.py for shapes and what is added to."""

    forward: Callable[..., None]
    weight_diff: Callable[..., None]
    bottom_diff: Callable[..., None]
    bias_diff: Callable[..., None]


def _forward(bottom: Array, weight: Array, bias: Array | None, transpose: bool, top: Array) -> None:
    np.matmul(bottom, weight if transpose else weight.T, out=top)
    if bias is not None:
        top += bias


def _weight_diff(bottom: Array, top_diff: Array, transpose: bool, weight_diff: Array) -> None:
    weight_diff += bottom.T @ top_diff if transpose else top_diff.T @ bottom


def _bottom_diff(top_diff: Array, weight: Array, transpose: bool, bottom_diff: Array) -> None:
    np.matmul(top_diff, weight.T if transpose else weight, out=bottom_diff)


def _bias_diff(top_diff: Array, bias_diff: Array) -> None:
    bias_diff += top_diff.sum(axis=0)


PRODUCTS = {
    np.dtype(np.float32): InnerProducts(
        gemm.inner_product_forward,
        gemm.inner_product_weight_diff,
        gemm.inner_product_bottom_diff,
        gemm.inner_product_bias_diff,
    ),
    np.dtype(np.float64): InnerProducts(_forward, _weight_diff, _bottom_diff, _bias_diff),
}
