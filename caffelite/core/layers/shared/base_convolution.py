"""What Convolution and Deconvolution share: fields, parameters and products. Source: layers/base_conv_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Any, ClassVar

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.costs import Product, Reach
from caffelite.core.errors import LayerError, UsageError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.kernels.convolution import choose
from caffelite.core.kernels.convolution.bias_gradient import bias_gradient
from caffelite.core.kernels.convolution.geometry import Geometry
from caffelite.core.layer import Blobs, BlobSpec, Layer
from caffelite.core.layers.shared.columns import Columns, geometry_of
from caffelite.core.layers.shared.window import window_from_param


class BaseConvolutionLayer(Layer):
    """A convolution makes outputs (conv_out_channels, ...) of images (conv_in_channels, ...); its products are here.

    Convolution's bottoms are images and its tops outputs; of Deconvolution, which goes the other way, the reverse.
    The methods under Caffe's names, from `conv_im2col` to `backward_bias`, take single images and outputs,
    C-contiguous, with or without their spatial axes; after set-up they may be called alone. The others take whole
    blobs, by a faster kernel where the table has one for this number type and geometry.
    """

    min_bottom_blobs = 1
    min_top_blobs = 1
    equal_num_bottom_top_blobs = True
    reverse_dimensions: ClassVar[bool] = False  # whether bottoms are the outputs of the convolution

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read convolution_param; make weight and bias."""
        param = self.layer_param.convolution_param
        self.channel_axis = self.canonical_axis(bottom[0], param.axis, "convolution_param.axis")
        self.num_axes = bottom[0].num_axes
        self.window = window_from_param(param, self.num_axes - self.channel_axis - 1)
        self.channels = bottom[0].shape[self.channel_axis]
        self.num_output, self.group, self.bias_term = param.num_output, param.group, param.bias_term
        self._check_channels()
        self.conv_in_channels, self.conv_out_channels = self._images_first(self.channels, self.num_output)
        weight_shape = (self.conv_out_channels, self.conv_in_channels // self.group, *self.window.kernel)
        specs = [BlobSpec(weight_shape, param.weight_filler)]
        if self.bias_term:
            specs.append(BlobSpec((self.num_output,), param.bias_filler))
        self.init_params(specs)

    def _check_channels(self) -> None:
        for name in ("num_output", "group"):
            if getattr(self, name) < 1:
                raise LayerError(f"convolution_param.{name}", getattr(self, name), "use 1 or more")
        for count, what in ((self.channels, "channels of the bottom"), (self.num_output, "outputs (num_output)")):
            if count % self.group:
                raise LayerError("convolution_param.group", self.group, f"it must divide the {count} {what}")

    def _images_first(self, of_bottom: Any, of_top: Any) -> tuple[Any, Any]:
        """Put what belongs to the images of the convolution before what belongs to its outputs."""
        return (of_top, of_bottom) if self.reverse_dimensions else (of_bottom, of_top)

    def compute_output_shape(self, spatial: Shape) -> Shape:
        """Return the spatial sizes of the top for those of the bottom; LayerError if nothing would be left."""
        return self.window.deconvolved(spatial) if self.reverse_dimensions else self.window.convolved(spatial)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops and choose kernels; batch and spatial sizes may change, axes and channels may not."""
        self._check_shapes(bottom)
        batch = bottom[0].shape[: self.channel_axis]
        spatial = bottom[0].shape[self.channel_axis + 1 :]
        top_spatial = self.compute_output_shape(spatial)
        for blob in top:
            blob.reshape(*batch, self.num_output, *top_spatial)
        self._top_pixels = prod(top_spatial)
        image_spatial, output_spatial = self._images_first(spatial, top_spatial)
        self.num = prod(batch)
        self.image_shape = (self.conv_in_channels, *image_spatial)
        self.output_shape = (self.conv_out_channels, *output_spatial)
        general = self.layer_param.convolution_param.force_nd_im2col
        self._columns = Columns(self.conv_in_channels, image_spatial, self.window, general)
        self._column_buffer: Array | None = None
        self._set_geometry(None if general or len(spatial) > 2 else self._geometry_of(image_spatial))

    def multiply_adds(self, bottom: Blobs, top: Blobs) -> int:
        """Return each weight once for each place of the convolution's outputs."""
        pixels: int = prod(self.output_shape[1:])
        return len(bottom) * self.num * pixels * self.blobs[0].count

    def matrix_products(self, bottom: Blobs, top: Blobs) -> list[Product]:
        """Return those of one image and group, and how often they are done; col2im makes images of columns."""
        outputs, taps = self.conv_out_channels // self.group, self._columns.shape[0] // self.group
        weight, places = self.blobs[0], self._columns.shape[1]
        assert weight.count == self.group * outputs * taps
        times = len(bottom) * self.num * self.group
        made, read = ("bottom", "top gradient") if self.reverse_dimensions else ("top gradient", "bottom")
        to_outputs = Product(
            "bottom gradient" if self.reverse_dimensions else "top",
            *("weight", (outputs, taps), f"columns of {read}", (taps, places), times),
            is_forward=not self.reverse_dimensions,
        )
        to_images = Product(
            f"columns of {'top' if self.reverse_dimensions else 'bottom gradient'}",
            *("weight^T", (taps, outputs), made, (outputs, places), times),
            is_forward=self.reverse_dimensions,
        )
        to_weight = Product("weight gradient", made, (outputs, places), f"columns^T of {read}", (places, taps), times)
        first, last = self._images_first(to_outputs, to_images)
        return [first, to_weight, last]

    def columns(self, sample: Array) -> Array:
        """Return the matrices of one image, (group, rows, places): a row for each tap, a column for each window.

        Of a Convolution: `sample`, an image of a bottom (C, d_1, ..., d_S), as im2col lays it out; weight x columns +
        bias is the image of the top. Of a Deconvolution: weight^T x `sample`, of which col2im makes the image of the
        top. The array is new. UsageError for an image of another shape than the layer is set up for.
        """
        values = np.asarray(sample)
        wanted = self.output_shape if self.reverse_dimensions else self.image_shape
        if values.shape != wanted:
            raise UsageError(
                f'layer "{self.name}" ({self.type}): the sample is '
                f"{f'{sample!r}, no array' if not values.shape else f'of shape {values.shape}'}; give one image of the "
                f"bottom, of shape {wanted}, such as net.blobs[...].data[0]"
            )
        values = np.ascontiguousarray(values, self.dtype)
        if self.reverse_dimensions:
            weight_t = self._by_group(self.blobs[0].data).transpose(0, 2, 1)
            columns: Array = np.matmul(weight_t, self._by_group(values))
        else:
            columns = self._by_group(self.conv_im2col(values)).copy()
        return columns

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return the kernel's extent and stride; of a deconvolution how many pixels' windows overlap."""
        extent, stride = self.window.extent, self.window.stride
        if not extent or self.channel_axis != 1:
            return None
        if self.reverse_dimensions:
            overlap = tuple(-(-e // s) for e, s in zip(extent, stride, strict=True))
            return Reach(overlap, tuple(Fraction(1, s) for s in stride))
        return Reach(extent, tuple(map(Fraction, stride)))

    def _check_shapes(self, bottom: Blobs) -> None:
        shape = bottom[0].shape
        if len(shape) != self.num_axes or shape[self.channel_axis] != self.channels:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(shape),
                f"the layer was set up for {self.num_axes} axes with {self.channels} channels on axis "
                f"{self.channel_axis}, and only batch and spatial sizes may change",
            )
        for index, blob in enumerate(bottom):
            if blob.shape != shape:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(blob.shape),
                    f"all bottoms must have the shape of bottom[0], which is {shape_string(shape)}",
                )

    def _geometry_of(self, image_spatial: Shape) -> Geometry:
        return geometry_of(
            self.num, self.conv_in_channels, image_spatial, self.conv_out_channels, self.group, self.window
        )

    def _set_geometry(self, geometry: Geometry | None) -> None:
        """Let whole blobs go through kernels for `geometry`, or through the plain products if it is None."""
        self._geometry = geometry if self.num else None
        self._kernels: dict[str, Any] = {}
        if geometry is not None:
            g = geometry
            self._weight_batch = (g.num_output, g.group_channels, g.kernel_h, g.kernel_w)
            self._image_batch = (g.num, g.channels, g.height, g.width)
            self._output_batch = (g.num, g.num_output, g.out_height, g.out_width)

    def _kernel(self, operation: str) -> Any:
        """Return the kernel for `operation` or None; made when first needed, since it may hold much memory."""
        if self._geometry is None:
            return None
        if operation not in self._kernels:
            self._kernels[operation] = choose.choose(operation, self.dtype, self._geometry)
        return self._kernels[operation]

    def convolve(self, images: Array, bias: Array | None, outputs: Array) -> None:
        """Overwrite a batch of `outputs` with the convolution of `images` by the layer's weight, plus bias."""
        weight = self.blobs[0].data
        kernel = self._kernel("convolution_forward")
        if kernel is not None:
            images, outputs = images.reshape(self._image_batch), outputs.reshape(self._output_batch)
            kernel(weight.reshape(self._weight_batch), bias, images, outputs)
            return
        for image, output in self._one_by_one(images, outputs):
            self.forward_gemm(image, weight, output)
            if bias is not None:
                self.forward_bias(output, bias)

    def convolve_back(self, outputs: Array, images: Array) -> None:
        """Overwrite a batch of `images` with what the transposed convolution makes of `outputs`."""
        weight = self.blobs[0].data
        kernel = self._kernel("convolution_bottom_gradient")
        if kernel is not None:
            images, outputs = images.reshape(self._image_batch), outputs.reshape(self._output_batch)
            kernel(weight.reshape(self._weight_batch), outputs, images)
            return
        for image, output in self._one_by_one(images, outputs):
            self.backward_gemm(output, weight, image)

    def add_weight_diff(self, images: Array, outputs: Array) -> None:
        """Add the gradient of a batch to the diff of the weight; one of the arrays is data, the other diff."""
        weight_diff = self.blobs[0].diff
        kernel = self._kernel("convolution_weight_gradient")
        if kernel is not None:
            images, outputs = images.reshape(self._image_batch), outputs.reshape(self._output_batch)
            kernel(outputs, images, weight_diff.reshape(self._weight_batch))
            return
        for image, output in self._one_by_one(images, outputs):
            self.weight_gemm(image, output, weight_diff)

    def add_bias_diff(self, top_diff: Array) -> None:
        """Add the gradient of a batch to the diff of the bias."""
        batch = top_diff.reshape(self.num, self.num_output, self._top_pixels)
        if self._geometry is not None and self.dtype == np.float32:
            bias_gradient(batch, self.blobs[1].diff)
            return
        for one in batch:
            self.backward_bias(self.blobs[1].diff, one)

    def _one_by_one(self, images: Array, outputs: Array) -> Iterator[tuple[Array, Array]]:
        return zip(
            images.reshape(self.num, *self.image_shape), outputs.reshape(self.num, *self.output_shape), strict=True
        )

    def conv_im2col(self, image: Array) -> Array:
        """Return the windows of `image` as columns, one a window; the array is the layer's own and used again."""
        if self.window.is_pointwise:
            return image.reshape(self._columns.shape)
        columns = self._buffer()
        self._columns.im2col(image, columns)
        return columns

    def conv_col2im(self, columns: Array, image: Array) -> None:
        """Overwrite `image`: each pixel is the sum of its values in all columns."""
        self._columns.col2im(columns, image)

    def _buffer(self) -> Array:
        if self._column_buffer is None:
            self._column_buffer = np.empty(self._columns.shape, self.dtype)
        return self._column_buffer

    def forward_gemm(self, image: Array, weight: Array, output: Array) -> None:
        """Overwrite `output` with weight times the columns of `image`, group by group."""
        columns = self.conv_im2col(image)
        np.matmul(self._by_group(weight), self._by_group(columns), out=self._by_group(output))

    def forward_bias(self, top: Array, bias: Array) -> None:
        """Add bias (num_output) to every place of its channel of `top`, an image or output."""
        channels = top.reshape(self.num_output, -1)
        channels += bias[:, np.newaxis]

    def backward_gemm(self, output: Array, weight: Array, image: Array) -> None:
        """Overwrite `image` with what col2im makes of weight transposed times `output`."""
        columns = image.reshape(self._columns.shape) if self.window.is_pointwise else self._buffer()
        weight_t = self._by_group(weight).transpose(0, 2, 1)
        np.matmul(weight_t, self._by_group(output), out=self._by_group(columns))
        if not self.window.is_pointwise:
            self.conv_col2im(columns, image)

    def weight_gemm(self, image: Array, output: Array, weight: Array) -> None:
        """Add `output` times the columns of `image` transposed to `weight`, a diff."""
        columns_t = self._by_group(self.conv_im2col(image)).transpose(0, 2, 1)
        weight += np.matmul(self._by_group(output), columns_t).reshape(weight.shape)

    def backward_bias(self, bias: Array, top: Array) -> None:
        """Add the sum over the places of each channel of `top`, a diff, to `bias` (num_output)."""
        bias += top.reshape(self.num_output, -1).sum(axis=1)

    def _by_group(self, array: Array) -> Array:
        """See (rows, ...) as (group, rows / group, product of the others)."""
        rows = array.shape[0] // self.group
        return array.reshape(self.group, rows, -1)
