"""What layers of other packages may use: the names here stay, while those in caffelite.core may move.

A layer registers itself by the type that a prototxt names; importing its module before the net is made is enough. Its
loops are kernels: plain functions on arrays that numba compiles. `kernel` runs on the calling thread; of a
`parallel_kernel` each thread runs a share, `worker` of `workers`, and `.serial(...)` runs all of it on one thread::

    from caffelite.layer import Array, Blobs, Layer, parallel_kernel, register_layer

    @parallel_kernel
    def scale(bottom: Array, factor: float, top: Array, worker: int, workers: int) -> None:
        for i in range(worker, bottom.size, workers):
            top[i] = factor * bottom[i]

    @register_layer("Double")
    class DoubleLayer(Layer):
        exact_num_bottom_blobs = exact_num_top_blobs = 1

        def reshape(self, bottom: Blobs, top: Blobs) -> None:
            top[0].reshape_like(bottom[0])

        def forward(self, bottom: Blobs, top: Blobs) -> None:
            scale(bottom[0].data.reshape(-1), 2.0, top[0].data.reshape(-1))

        def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
            if propagate_down[0]:
                scale(top[0].diff.reshape(-1), 2.0, bottom[0].diff.reshape(-1))

A LayerError names the field, its value, and what to write instead; the net adds file, line and layer. Layers of
`type: "Python"`, which need no registering and are given by module and class in the prototxt, derive from
`caffelite.Layer` instead.

Where a layer works in place on the top of such a layer, the net copies the top: the backward pass may read it, or it
may be memory that is not filled in each pass. A class saves these copies by saying that it does neither:
`gradient_reads_tops` returns `()` and `top_memory` returns `TopMemory.OWN`. A class that takes one blob as bottom and
top sets `handles_in_place`; others get a copy of the bottom.
"""

from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.costs import Cost, Product, Reach
from caffelite.core.errors import LayerError
from caffelite.core.kernels.jit.compile import kernel, parallel_kernel
from caffelite.core.layer import Blobs, BlobSpec, Layer, State, TopMemory, register_layer
from caffelite.core.layers.shared.loss import LossLayer

__all__ = [
    "Array",
    "Blob",
    "BlobSpec",
    "Blobs",
    "Cost",
    "Layer",
    "LayerError",
    "LossLayer",
    "Product",
    "Reach",
    "Shape",
    "State",
    "TopMemory",
    "kernel",
    "parallel_kernel",
    "register_layer",
]
