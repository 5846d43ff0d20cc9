"""InnerProduct: a fully connected layer. Source: src/caffe/layers/inner_product_layer.cpp."""

from __future__ import annotations

from caffelite.core.costs import WHOLE, Product, Reach
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.inner_product import PRODUCTS
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer


@register_layer("InnerProduct")
class InnerProductLayer(Layer):
    """Multiply each item of the bottom by a weight matrix and add a bias.

    bottom[0]: any shape; the axes from `axis` on are one item of K values, those before it number the items.
    top[0]:    the bottom's axes before `axis`, then num_output.
    blobs[0]:  weight (num_output, K), or (K, num_output) if `transpose`; blobs[1]: bias (num_output).

    Raises LayerError if num_output is 0, or if K is another than at set-up.
    """

    messages = ("inner_product_param",)
    formula = "y[n, k] = sum over i < {layer.item_count} of w[k, i] * x[n, i] (+ b[k]), k < {layer.num_output}"
    no_columns = "its matrix is the bottom itself, blob.data.reshape(items, -1), a row for each item"
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make weight and bias."""
        param = self.layer_param.inner_product_param
        if param.num_output == 0:
            raise LayerError("inner_product_param.num_output", 0, "use 1 or more")
        self.num_output, self.transpose, self.bias_term = param.num_output, param.transpose, param.bias_term
        self.axis = self.canonical_axis(bottom[0], param.axis, "inner_product_param.axis")
        self.item_count = bottom[0].count_between(self.axis)
        shape = (self.num_output, self.item_count)
        specs = [BlobSpec(shape[::-1] if self.transpose else shape, param.weight_filler)]
        if self.bias_term:
            specs.append(BlobSpec((self.num_output,), param.bias_filler))
        self.init_params(specs)
        self.products = PRODUCTS[self.dtype]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; the number of items may change, their size may not."""
        if bottom[0].num_axes <= self.axis or bottom[0].count_between(self.axis) != self.item_count:
            raise LayerError(
                "bottom[0]",
                shape_or_scalar(bottom[0].shape),
                f"the weights are for items of {self.item_count} values from axis {self.axis} on; "
                "Input size incompatible with inner product parameters",
            )
        top[0].reshape(*bottom[0].shape[: self.axis], self.num_output)
        items = bottom[0].count_between(0, self.axis)
        self._bottom_shape = (items, self.item_count)
        self._top_shape = (items, self.num_output)

    def multiply_adds(self, bottom: Blobs, top: Blobs) -> int:
        """Return each weight once for each item."""
        return self._bottom_shape[0] * self.blobs[0].count

    def matrix_products(self, bottom: Blobs, top: Blobs) -> list[Product]:
        """Return top = bottom x weight, and the gradients of weight and bottom."""
        (items, size), outputs = self._bottom_shape, self.num_output
        return [
            Product("top", "bottom", (items, size), "weight^T", (size, outputs), is_forward=True),
            Product("weight gradient", "top gradient^T", (outputs, items), "bottom", (items, size)),
            Product("bottom gradient", "top gradient", (items, outputs), "weight", (outputs, size)),
        ]

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Say that all of an image is read, if the weights go over its spatial axes."""
        return WHOLE if self.axis <= 1 else None

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute top = bottom x weight + bias."""
        self.products.forward(
            bottom[0].data.reshape(self._bottom_shape),
            self.blobs[0].data,
            self.blobs[1].data if self.bias_term else None,
            self.transpose,
            top[0].data.reshape(self._top_shape),
        )

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Add to the gradients of weight and bias; overwrite the bottom's."""
        top_diff = top[0].diff.reshape(self._top_shape)
        if self.param_propagate_down[0]:
            data = bottom[0].data.reshape(self._bottom_shape)
            self.products.weight_diff(data, top_diff, self.transpose, self.blobs[0].diff)
        if self.bias_term and self.param_propagate_down[1]:
            self.products.bias_diff(top_diff, self.blobs[1].diff)
        if propagate_down[0]:
            diff = bottom[0].diff.reshape(self._bottom_shape)
            self.products.bottom_diff(top_diff, self.blobs[0].data, self.transpose, diff)
