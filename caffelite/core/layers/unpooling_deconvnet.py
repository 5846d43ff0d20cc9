"""Unpooling: pooling undone. Source: HyeonwooNoh/caffe (of DeconvNet), src/caffe/layers/unpooling_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.blocks import Block, BlocksLayer, down_and_across
from caffelite.core.layers.shared.taps import Taps
from caffelite.core.layers.shared.to_places import ToPlacesLayer
from caffelite.proto import caffe_pb2

Param = caffe_pb2.UnPoolingParameter
METHODS = (Param.MAX, Param.AVE, Param.TILE)
KERNEL = ("kernel_size", "kernel_h", "kernel_w")
STRIDE = ("stride", "stride_h", "stride_w")
PAD = ("pad", "pad_h", "pad_w")
TOP = ("unpool_size", "unpool_h", "unpool_w")
NOT_READ = {
    f"unpooling_param.out_{name}": "it is for layers of the type UnPooling, ParseNet's"
    for name in (*KERNEL, *STRIDE, *PAD)
}


@register_layer("Unpooling", when=lambda layer: len(layer.bottom) == 2)
class UnpoolingToPlacesLayer(ToPlacesLayer):
    """Put each value where a MAX Pooling layer found it, and 0 elsewhere.

    bottom[0]: x: (N, C, H, W).
    bottom[1]: the places, of the same shape: the second top of that Pooling, h * width + w in one plane of the top.
    top[0]:    (N, C, unpool_size, unpool_size), or (N, C, unpool_h, unpool_w); if none is given the height is the
               larger one of (H - 1) * stride + kernel and H * stride + 1, and the width alike.

    DeconvNet's form, taken for two bottoms. Of several values for one place the last one stands, and it alone has a
    gradient (DeconvNet gives it to all). The top's size follows the bottom's.
    Raises LayerError for sizes that are missing, doubled or 0, a pad, another method than MAX, and, when run, for
    places outside the plane.
    """

    messages = ("unpooling_param",)
    not_read = NOT_READ
    fork = "DeconvNet"
    size_fields = "unpool_h and unpool_w"

    def size_of_top(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the top; LayerError for fields that are not of this layer."""
        param = self.layer_param.unpooling_param
        if _method(param) != Param.MAX:
            name = Param.UnPoolMethod.Name(param.unpool)
            raise LayerError("unpooling_param.unpool", name, "with two bottoms it is MAX; leave the second bottom out")
        return _size(param, _blocks(param), height, width)


@register_layer("Unpooling")
class UnpoolingLayer(BlocksLayer):
    """Make of each pixel a block of the top: MAX puts it at the first place, TILE repeats it, AVE shares it out.

    bottom[0]: (N, C, H, W).
    top[0]:    (N, C, unpool_size, unpool_size), or (N, C, unpool_h, unpool_w); if none is given the height is the
               larger one of (H - 1) * stride + kernel and H * stride + 1, and the width alike.

    DeconvNet's form for one bottom. Where blocks of TILE or AVE overlap, their sum counts; values of AVE are divided
    by the pixels of the block that are within the top. What is beyond the top is cut off; MAX puts it on the edge,
    where the last one stands. DeconvNet adds TILE and AVE to what the top held before, and gives back only a mean of a
    tile's gradients; here the top begins at 0, and the gradient is that of the values.
    Raises LayerError for sizes that are missing, doubled or 0, and for a pad.
    """

    messages = ("unpooling_param",)
    not_read = NOT_READ
    fork = "DeconvNet"
    exact_num_bottom_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the blocks and what each pixel of the top is made of."""
        param, shape = self.layer_param.unpooling_param, bottom[0].shape
        if len(shape) != 4 or min(shape[2:]) < 1:
            raise LayerError("bottom[0]", shape_or_scalar(shape), "give images, of 4 axes")
        self.blocks, method = _blocks(param), _method(param)
        wanted = _size(param, self.blocks, *shape[2:])
        top[0].reshape(*shape[:2], *wanted)
        self._down, self._across = (
            _taps(block, size, new, method) for block, size, new in zip(self.blocks, shape[2:], wanted, strict=True)
        )

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the sizes of the blocks."""
        name = Param.UnPoolMethod.Name(_method(self.layer_param.unpooling_param))
        words = {"MAX": "its first place", "TILE": "all of it", "AVE": "all of it, / its pixels in the top"}
        return self.in_blocks(f"{name}: {words[name]}")


def _method(param: Param) -> int:
    """Return the method, MAX unless told; LayerError for one of ParseNet's."""
    method = param.unpool if param.HasField("unpool") else Param.MAX
    if method not in METHODS:
        name = Param.UnPoolMethod.Name(method)
        raise LayerError("unpooling_param.unpool", name, 'use MAX, AVE or TILE, or type: "UnPooling", ParseNet\'s')
    return method


def _blocks(param: Param) -> list[Block]:
    """Return the blocks down and across; LayerError if a size is missing, doubled or 0, or if there is a pad."""
    kernel = down_and_across(param, "unpooling_param", KERNEL, needed=True)
    stride, pad = (down_and_across(param, "unpooling_param", fields) for fields in (STRIDE, PAD))
    if min(*kernel, *stride) < 1:
        sizes = f"kernel {kernel[0]} x {kernel[1]}, stride {stride[0]} x {stride[1]}"
        raise LayerError("unpooling_param", sizes, "use 1 or more for all")
    if any(pad):
        raise LayerError("unpooling_param.pad", max(pad), "Unpooling has none; leave it out, and set unpool_size")
    return [Block(*sizes) for sizes in zip(kernel, stride, strict=True)]


def _size(param: Param, blocks: list[Block], height: int, width: int) -> tuple[int, int]:
    if any(param.HasField(name) for name in TOP):
        sizes = down_and_across(param, "unpooling_param", TOP)
        if min(sizes) < 1:
            raise LayerError("unpooling_param.unpool_size", f"{sizes[0]} x {sizes[1]}", "use 1 or more")
        return sizes
    down, across = (
        max((size - 1) * block.stride + block.kernel, size * block.stride + 1)
        for size, block in zip((height, width), blocks, strict=True)
    )
    return down, across


def _taps(block: Block, size: int, wanted: int, method: int) -> Taps:
    """Return of which of `size` values the `wanted` places are made."""
    if method == Param.MAX:
        return Block(1, block.stride).middles(size, wanted)
    source, weight = block.whole(size, wanted)
    if method == Param.AVE:
        within = np.minimum(block.kernel, wanted - source * block.stride)
        weight = weight / np.maximum(within, 1)  # 0 where nothing of the block is
    return Taps(source, weight)
