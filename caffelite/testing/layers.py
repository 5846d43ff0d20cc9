"""One layer without a net: made from text, set up on arrays, run forward and backward."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.layer import Blobs, Context, Layer, make_layer, setup_layer
from caffelite.proto import caffe_pb2

Bottom = Blob | npt.ArrayLike


def layer_from(
    text: str,
    dtype: npt.DTypeLike = np.float64,
    phase: int = caffe_pb2.TRAIN,
    name: str = "layer",
    seed: int = 1701,
) -> Layer:
    """Make a layer, not yet set up, from the text between the braces of `layer { ... }`.

    Its random numbers depend on `seed` and `name`. Raises LayerError for an unknown type.
    """
    layer_param = caffe_pb2.LayerParameter()
    text_format.Parse(text, layer_param)
    layer_param.phase = phase  # type: ignore[assignment]
    layer_param.name = layer_param.name or name
    return make_layer(layer_param, Context(seed=seed, dtype=np.dtype(dtype)))


def blob_of(values: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> Blob:
    """Return a blob that holds `values` as data, in their shape."""
    array = np.asarray(values, dtype)
    blob = Blob(array.shape, dtype)
    blob.data[...] = array
    return blob


def spread_values(shape: Shape, step: float = 0.1, seed: int = 1701) -> Array:
    """Return `shape` different float64 values around 0, any two at least `step` apart and none nearer to 0 than half.

    Near a tie (max pooling) or a kink (ReLU) finite differences mislead. The order is shuffled, the same each time.
    """
    count = prod(shape)
    values = (np.arange(count) - count // 2 + 0.5) * step
    return np.random.default_rng(seed).permutation(values).reshape(shape)


def set_up(layer: Layer, bottom: list[Blob], top_count: int | None = None) -> list[Blob]:
    """Set the layer up on `bottom` and return its tops, shaped; tops with a loss weight have it as diff, as in a net.

    `top_count` is the number of tops; by default the fewest the layer makes (at least one unless it makes none).
    Parameters that the layer already has are kept.
    """
    top = [layer.new_blob() for _ in range(_default_tops(layer, len(bottom)) if top_count is None else top_count)]
    if not layer.layer_param.bottom:
        layer.layer_param.bottom.extend(f"bottom{index}" for index in range(len(bottom)))
    if not layer.layer_param.top:
        layer.layer_param.top.extend(f"top{index}" for index in range(len(top)))
    setup_layer(layer, bottom, top)
    for blob, weight in zip(top, loss_weights(layer), strict=False):
        if weight:
            blob.diff[...] = weight
    return top


def _default_tops(layer: Layer, bottoms: int) -> int:
    if layer.equal_num_bottom_top_blobs:
        return bottoms
    if layer.exact_num_top_blobs is not None:
        return layer.exact_num_top_blobs
    return max(layer.min_top_blobs or 0, 1)


def loss_weights(layer: Layer) -> list[float]:
    """Weights of the layer's tops in the loss: those of its prototxt, else those of its type; [] if none."""
    return list(layer.layer_param.loss_weight) or layer.default_loss_weights(layer.layer_param)


def run_forward(text_or_layer: str | Layer, *bottom: Bottom, top_count: int | None = None) -> Any:
    """Set a layer up on `bottom` (blobs or arrays), run it forward; return its top, or the list unless it is one.

    A layer made here from text has the number type of the first blob among `bottom`, float64 without one.
    """
    given = [item.dtype for item in bottom if isinstance(item, Blob)]
    layer = text_or_layer
    if isinstance(layer, str):
        layer = layer_from(layer, given[0] if given else np.float64)
    blobs = as_blobs(layer, bottom)
    top = set_up(layer, blobs, top_count)
    layer.forward(blobs, top)
    return top[0] if len(top) == 1 else top


def run_backward(layer: Layer, bottom: Blobs, top: Blobs, propagate_down: list[bool] | None = None) -> None:
    """Run a layer backward from the diffs of `top`; all bottoms that may have a gradient get one unless told."""
    if propagate_down is None:
        propagate_down = [layer.allow_force_backward(index) for index in range(len(bottom))]
    layer.backward(top, propagate_down, bottom)


def as_blobs(layer: Layer, bottom: Any) -> list[Blob]:
    """Return the items of `bottom` as blobs: arrays and nested lists become new ones of the layer's number type."""
    return [item if isinstance(item, Blob) else blob_of(item, layer.dtype) for item in bottom]
