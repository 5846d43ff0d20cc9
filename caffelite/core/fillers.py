"""Fillers: the first values of parameters. Source: include/caffe/filler.hpp."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.core.registry import Registry
from caffelite.proto import caffe_pb2

Filler = Callable[[Array, caffe_pb2.FillerParameter, np.random.Generator], None]

FILLERS: Registry[Filler] = Registry("filler name")


def fill(blob: Blob, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator, field: str = "filler") -> None:
    """Fill `blob.data` as `filler_param` says, drawing from `rng`; errors call the message `field`.

    Raises LayerError for an unknown type, a blob without elements, or values that the type refuses.
    """
    check_filler(filler_param, field)
    if blob.count == 0:
        raise LayerError("blob", shape_string(blob.shape), "a parameter needs at least one element; check num_output")
    try:
        FILLERS[filler_param.type](blob.data, filler_param, rng)
    except LayerError as err:
        err.field = f"{field}.{err.field}"
        raise


def check_filler(filler_param: caffe_pb2.FillerParameter, field: str) -> None:
    """Raise LayerError if the type is unknown, with the nearest known one, or is not for sparse weights."""
    name = filler_param.type
    if name not in FILLERS:
        hint = did_you_mean(name, FILLERS).removeprefix("; ") or f"use one of {', '.join(FILLERS)}"
        raise LayerError(f"{field}.type", f'"{name}"', f"Unknown filler name: {hint}")
    if filler_param.sparse != -1 and name != "gaussian":
        text = "Sparsity not supported by this Filler. Use type gaussian"
        raise LayerError(f"{field}.sparse", filler_param.sparse, text)


@FILLERS.register("constant")
def _constant(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    data[...] = filler_param.value


@FILLERS.register("uniform")
def _uniform(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    if filler_param.min > filler_param.max:
        raise LayerError("min", filler_param.min, f"it must not be above max, which is {filler_param.max}")
    _uniform_between(data, filler_param.min, filler_param.max, rng)


@FILLERS.register("gaussian")
def _gaussian(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    if not filler_param.std > 0:
        raise LayerError("std", filler_param.std, "a gaussian filler needs more than 0; for equal values use constant")
    _normal(data, filler_param.mean, filler_param.std, rng)
    sparse = filler_param.sparse
    if sparse == -1:
        return
    outputs = data.shape[0] if data.ndim else 1
    if not 0 <= sparse <= outputs:
        raise LayerError("sparse", sparse, f"it is a number of non-zero weights: 0 to {outputs}, or -1 for all")
    data *= rng.random(data.shape) < sparse / outputs


@FILLERS.register("positive_unitball")
def _positive_unitball(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    _uniform_between(data, 0, 1, rng)
    rows = data.reshape(data.shape[0] if data.ndim else 1, -1)
    rows /= rows.sum(axis=1, keepdims=True)


@FILLERS.register("xavier")
def _xavier(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    limit = sqrt(3 / _fan(data, filler_param))
    _uniform_between(data, -limit, limit, rng)


@FILLERS.register("msra")
def _msra(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    _normal(data, 0, sqrt(2 / _fan(data, filler_param)), rng)


@FILLERS.register("bilinear")
def _bilinear(data: Array, filler_param: caffe_pb2.FillerParameter, rng: np.random.Generator) -> None:
    if data.ndim != 4 or data.shape[2] != data.shape[3]:
        raise LayerError("type", '"bilinear"', f"it needs a square kernel and 4 axes, not {shape_string(data.shape)}")
    kernel = data.shape[3]
    factor = ceil(kernel / 2)
    centre = (kernel - 1) / (2 * factor)
    weights = 1 - abs(np.arange(kernel) / factor - centre)
    data[...] = np.outer(weights, weights)


def _uniform_between(data: Array, low: float, high: float, rng: np.random.Generator) -> None:
    flat = data.reshape(-1)  # a view, also of a scalar: drawn in place, since weights may take most of the memory
    rng.random(dtype=flat.dtype, out=flat)
    flat *= high - low
    flat += low


def _normal(data: Array, mean: float, std: float, rng: np.random.Generator) -> None:
    flat = data.reshape(-1)
    rng.standard_normal(dtype=flat.dtype, out=flat)
    flat *= std
    flat += mean


def _fan(data: Array, filler_param: caffe_pb2.FillerParameter) -> float:
    """Return how many inputs (or outputs, or their mean) belong to one element of the weights."""
    if data.ndim < 1:
        raise LayerError("type", f'"{filler_param.type}"', "a scalar has no fan-in; use constant or gaussian")
    fan_in = data.size / data.shape[0]
    fan_out = data.size / data.shape[1] if data.ndim > 1 else data.size
    norms = caffe_pb2.FillerParameter
    by_norm = {norms.FAN_IN: fan_in, norms.FAN_OUT: fan_out, norms.AVERAGE: (fan_in + fan_out) / 2}
    return float(by_norm[filler_param.variance_norm])
