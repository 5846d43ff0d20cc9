"""forward_all and forward_backward_all: arrays of any length through a net of a fixed batch size.

Source: python/caffe/pycaffe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.pycaffe_arrays import Batch, Batches, Rows

if TYPE_CHECKING:
    from caffelite.pycaffe import Net


def forward_all(net: Net, blobs: list[str] | None, inputs: dict[str, Any]) -> dict[str, Array]:
    """Run the net on all rows of `inputs`; return all rows of the outputs and further `blobs`."""
    size = _batch_size(net, inputs)
    outs = Rows(size)
    for batch in Batches(inputs, size):
        outs.add(net.forward(blobs, None, None, **batch.arrays), batch.rows)
    return outs.collected()


def forward_backward_all(
    net: Net, blobs: list[str] | None, diffs: list[str] | None, arrays: dict[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Run the net forward and backward on all rows; return rows of data and rows of diffs.

    Arrays named as inputs go in forward, as outputs backward; where there are none, what is in the blobs stays.
    """
    known = {*net.inputs, *net.outputs}
    if unknown := [name for name in arrays if name not in known]:
        raise UsageError(
            f"{', '.join(unknown)}: neither inputs ({', '.join(net.inputs)}) nor outputs ({', '.join(net.outputs)})"
        )
    size = _batch_size(net, arrays)
    outs, gradients = Rows(size), Rows(size)
    for batch in Batches(arrays, size):
        outs.add(net.forward(blobs, None, None, **_only(net.inputs, batch)), batch.rows)
        gradients.add(net.backward(diffs, None, None, **_only(net.outputs, batch)), batch.rows)
    return outs.collected(), gradients.collected()


def _only(names: list[str], batch: Batch) -> dict[str, Array]:
    return {name: values for name, values in batch.arrays.items() if name in names}


def _batch_size(net: Net, arrays: dict[str, Any]) -> int:
    """Return the first size of the blobs that the arrays are for."""
    if not arrays:
        raise UsageError("give an array for each input of the net: net.forward_all(data=images)")
    shapes = {name: net.blobs[name].shape for name in arrays if name in net.blobs}
    sizes = {shape[0] if shape else 0 for shape in shapes.values()}
    if len(sizes) != 1 or not sum(sizes):
        known = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise UsageError(f"the arrays ({', '.join(arrays)}) are not for blobs of one batch size ({known or 'no blob'})")
    return sizes.pop()
