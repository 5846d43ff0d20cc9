"""Shapes of a 2-d convolution, as kernels and the layers that call them agree on."""

from typing import NamedTuple


class Geometry(NamedTuple):
    """One convolution: bottom (num, channels, height, width) -> top (num, num_output, out_height, out_width).

    weight is (num_output, channels // group, kernel_h, kernel_w).
    """

    num: int
    channels: int
    height: int
    width: int
    num_output: int
    group: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int

    @property
    def out_height(self) -> int:
        """Height of the top, by Caffe's rule; 0 or less means that the kernel does not fit."""
        return _extent(self.height, self.kernel_h, self.stride_h, self.pad_h, self.dilation_h)

    @property
    def out_width(self) -> int:
        """Width of the top, by Caffe's rule; 0 or less means that the kernel does not fit."""
        return _extent(self.width, self.kernel_w, self.stride_w, self.pad_w, self.dilation_w)

    @property
    def taps(self) -> int:
        """Weights of one input channel: kernel_h * kernel_w."""
        return self.kernel_h * self.kernel_w

    @property
    def group_channels(self) -> int:
        """Channels of the bottom that one output sees."""
        return self.channels // self.group

    @property
    def group_outputs(self) -> int:
        """Channels of the top that one group of the bottom feeds."""
        return self.num_output // self.group

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass."""
        pixels = max(0, self.out_height) * max(0, self.out_width)
        return self.num * self.num_output * pixels * self.group_channels * self.taps


def _extent(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    room = size + 2 * pad - (dilation * (kernel - 1) + 1)
    # C++ division truncates towards 0: a kernel that overhangs by less than one stride still gives one output
    return (room // stride if room >= 0 else -(-room // stride)) + 1
