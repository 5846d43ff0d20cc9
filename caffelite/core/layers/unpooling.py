"""UnPooling: each value spread over a block. Source: weiliu89/caffe (branch fcn), unpooling_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.blocks import Block, BlocksLayer, down_and_across
from caffelite.core.layers.shared.taps import Taps
from caffelite.proto import caffe_pb2

Param = caffe_pb2.UnPoolingParameter
METHODS = (Param.FIXED, Param.DIV, Param.REP)
KERNEL = ("out_kernel_size", "out_kernel_h", "out_kernel_w")
STRIDE = ("out_stride", "out_stride_h", "out_stride_w")
PAD = ("out_pad", "out_pad_h", "out_pad_w")
NOT_READ = {
    f"unpooling_param.{name}{end}": "it is for layers of the type Unpooling, DeconvNet's"
    for name, whole in (("kernel", "_size"), ("stride", ""), ("pad", ""), ("unpool", "_size"))
    for end in (whole, "_h", "_w")
}


@register_layer("UnPooling")
class UnPoolingLayer(BlocksLayer):
    """Make of each pixel a block of the top: FIXED puts it at the middle, REP repeats it, DIV shares it out.

    bottom[0]: (N, C, H, W).
    bottom[1]: optional: blocks are as large as the ratio of its height and width to those of bottom[0], rounded up, in
               place of the sizes in unpooling_param; it has no gradient.
    top[0]:    (N, C, (H - 1) * out_stride + out_kernel - 2 * out_pad, W alike).

    The middle of an even block is before its centre. Where blocks of REP or DIV overlap, the mean of them counts;
    values of DIV are divided by the size of the block. Of FIXED ones that out_pad brings to one place the last stands.
    Raises LayerError for sizes that are missing, doubled or 0, an out_pad as large as out_kernel, and an empty top.
    """

    messages = ("unpooling_param",)
    not_read = NOT_READ
    fork = "ParseNet"
    min_bottom_blobs = 1
    max_bottom_blobs = 2

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Say that the bottom which gives the size has no gradient."""
        return bottom_index == 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Find the blocks and what each pixel is made of."""
        param, shape = self.layer_param.unpooling_param, bottom[0].shape
        if param.unpool not in METHODS:
            name = Param.UnPoolMethod.Name(param.unpool)
            raise LayerError(
                "unpooling_param.unpool", name, 'use FIXED, DIV or REP, or type: "Unpooling", DeconvNet\'s'
            )
        for index, blob in enumerate(bottom):
            if blob.num_axes != 4 or min(blob.shape[2:]) < 1:
                raise LayerError(f"bottom[{index}]", shape_or_scalar(blob.shape), "give images, of 4 axes")
        if len(bottom) == 2:
            self.blocks = [_block_for(size, like) for size, like in zip(shape[2:], bottom[1].shape[2:], strict=True)]
        else:
            kernel = down_and_across(param, "unpooling_param", KERNEL, needed=True)
            stride, pad = (down_and_across(param, "unpooling_param", fields) for fields in (STRIDE, PAD))
            self.blocks = [_check(Block(*block)) for block in zip(kernel, stride, pad, strict=True)]
        wanted = [_size_of_top(block, size) for block, size in zip(self.blocks, shape[2:], strict=True)]
        top[0].reshape(*shape[:2], *wanted)
        self._down, self._across = (
            _taps(block, size, new, param.unpool)
            for block, size, new in zip(self.blocks, shape[2:], wanted, strict=True)
        )

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the sizes of the blocks."""
        down, across = self.blocks
        name = Param.UnPoolMethod.Name(self.layer_param.unpooling_param.unpool)
        words = {"FIXED": "in its middle", "REP": "all of it", "DIV": f"all of it, / {down.kernel * across.kernel}"}
        return self.in_blocks(f"{name}: {words[name]}")


def _check(block: Block) -> Block:
    kernel, stride, pad = block
    if min(kernel, stride) < 1:
        raise LayerError("unpooling_param", f"out_kernel {kernel}, out_stride {stride}", "use 1 or more for both")
    if pad >= kernel:
        raise LayerError("unpooling_param.out_pad", pad, f"it must be smaller than the block, which is {kernel}")
    return block


def _size_of_top(block: Block, size: int) -> int:
    wanted = (size - 1) * block.stride + block.kernel - 2 * block.pad
    if wanted < 1:
        raise LayerError("unpooling_param.out_pad", block.pad, "nothing is left of the top; use less")
    return wanted


def _taps(block: Block, size: int, wanted: int, method: int) -> Taps:
    """Return of which of `size` values the `wanted` places are made."""
    if method == Param.FIXED:
        return block.middles(size, wanted)
    source, weight = block.whole(size, wanted)
    mean = weight / np.maximum(weight.sum(1, keepdims=True), 1)
    return Taps(source, mean / block.kernel if method == Param.DIV else mean)


def _block_for(size: int, like: int) -> Block:
    """Return blocks that make `size` values about `like` long."""
    ratio = -(-like // size)
    stride = 1 if ratio == like else ratio
    return Block(ratio, stride, ((size - 1) * stride + ratio - like) // 2)
