"""A layer's results against stored ones: one .npz file a case, as BVLC Caffe 1.0 computed it.

Keys of a case: `prototxt` (a net whose layer named "layer" is meant), `phase`, `bottom_<i>` (its inputs), `param_<i>`
(its parameters), `top_<i>` (its outputs), `param_after_<i>` (a parameter that forward changed), `top_diff_<i>` (set
before backward), `bottom_diff_<i>`, and `param_diff_<i>` (started from 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format

from caffelite.core.blob import Array, Blob
from caffelite.core.layer import Context, Layer, make_layer
from caffelite.proto import caffe_pb2
from caffelite.testing.layers import blob_of, set_up

if TYPE_CHECKING:
    from caffelite.pycaffe import Net

ABSOLUTE, RELATIVE = 2e-5, 1e-4


def run_golden(path: Path | str, dtype: npt.DTypeLike = np.float32) -> None:
    """Run the case at `path` and compare all that it holds; AssertionError names the array that differs."""
    with np.load(path) as stored:
        case = dict(stored)
    layer = _layer_of(case, np.dtype(dtype))
    bottom = [blob_of(array, dtype) for array in _numbered(case, "bottom_").values()]
    top = set_up(layer, bottom, len(layer.layer_param.top))
    for index, values in _numbered(case, "param_").items():
        layer.blobs[index].data[...] = values
    if layer.reshape_every_pass:
        layer.reshape(bottom, top)
    layer.forward(bottom, top)
    _compare(case, "top_", [blob.data for blob in top])
    _compare(case, "param_after_", [blob.data for blob in layer.blobs])
    if any(key.startswith(("bottom_diff_", "param_diff_")) for key in case):
        _run_backward(case, layer, bottom, top)


def run_net(net: Net, case: Mapping[str, Array]) -> None:
    """Run a net of a case's prototxt forward and backward on what the case holds."""
    for index, values in _numbered(case, "bottom_").items():
        net.blobs[f"x{index}" if f"x{index}" in net.blobs else f"b{index}"].data[...] = values
    for index, values in _numbered(case, "param_").items():
        net.params["layer"][index].data[...] = values
    net.forward()
    for index, values in _numbered(case, "top_diff_").items():
        net.blobs[f"t{index}"].diff[...] = values
    net.backward()


def _run_backward(case: Mapping[str, Array], layer: Layer, bottom: list[Blob], top: list[Blob]) -> None:
    for index, values in _numbered(case, "top_diff_").items():
        top[index].diff[...] = values
    layer.backward(top, [f"bottom_diff_{index}" in case for index in range(len(bottom))], bottom)
    _compare(case, "bottom_diff_", [blob.diff for blob in bottom])
    _compare(case, "param_diff_", [blob.diff for blob in layer.blobs])


def _layer_of(case: Mapping[str, Array], dtype: np.dtype[np.generic]) -> Layer:
    net = caffe_pb2.NetParameter()
    text_format.Parse(str(case["prototxt"]), net)
    layer_param = next(layer for layer in net.layer if layer.name == "layer")
    layer_param.phase = caffe_pb2.TEST if str(case["phase"]) == "TEST" else caffe_pb2.TRAIN
    return make_layer(layer_param, Context(dtype=dtype))


def _numbered(case: Mapping[str, Array], prefix: str) -> dict[int, Array]:
    """Return the arrays called `prefix` and a number, in the order of the numbers."""
    found = {key.removeprefix(prefix): array for key, array in case.items() if key.startswith(prefix)}
    return {int(number): found[number] for number in sorted(found, key=len) if number.isdigit()}


def _compare(case: Mapping[str, Array], prefix: str, ours: list[Array]) -> None:
    for index, caffes in _numbered(case, prefix).items():
        assert_agrees(ours[index], caffes, f"{prefix}{index}")


def assert_agrees(ours: Array, caffes: Array, name: str = "array") -> None:
    """Raise AssertionError unless |ours - caffes| <= 2e-5 * max(1, largest |caffes|) + 1e-4 * |caffes| everywhere."""
    largest = float(abs(caffes).max(initial=1))
    assert ours.shape == caffes.shape, f"{name} has the shape {ours.shape}, Caffe's has {caffes.shape}"
    np.testing.assert_allclose(ours, caffes, rtol=RELATIVE, atol=ABSOLUTE * largest, err_msg=name)
