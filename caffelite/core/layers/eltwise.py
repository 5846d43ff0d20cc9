"""Eltwise: sum, product or maximum of blobs, element by element. Source: src/caffe/layers/eltwise_layer.cpp."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar, shape_string
from caffelite.core.kernels import elementwise as kernels
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.proto import caffe_pb2

Param = caffe_pb2.EltwiseParameter


class _EltwiseLayer(Layer):
    """What the operations have in common: equal shapes, and a copy of the bottom that the top overwrites."""

    handles_in_place = True
    min_bottom_blobs = 2
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that all bottoms have one shape, which is the top's."""
        for index, blob in enumerate(bottom):
            if blob.shape != bottom[0].shape:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(blob.shape),
                    f"all bottoms must have the shape of bottom[0], {shape_string(bottom[0].shape)}",
                )
        top[0].reshape_like(bottom[0])
        self._copies = {i: np.empty(b.shape, self.dtype) for i, b in enumerate(bottom) if b is top[0]}

    def keep(self, bottom: Blobs) -> list[Array]:
        """Return the bottoms' values, of one that is the top a copy made now (Caffe's result is wrong there)."""
        for index, copy in self._copies.items():
            copy[...] = bottom[index].data
        return self.kept(bottom)

    def kept(self, bottom: Blobs) -> list[Array]:
        """Return the bottoms' values as forward found them."""
        return [self._copies.get(index, blob.data) for index, blob in enumerate(bottom)]

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottoms' gradients, last that of one that is the top: the others are made of it."""
        for index in sorted(range(len(bottom)), key=self._copies.__contains__):
            if propagate_down[index]:
                self.differentiate(index, top, bottom)

    def differentiate(self, index: int, top: Blobs, bottom: Blobs) -> None:
        """Overwrite the gradient of one bottom."""
        raise NotImplementedError(f"{type(self).__name__} has no differentiate")


@register_layer("Eltwise", when=lambda layer: layer.eltwise_param.operation == Param.SUM)
class EltwiseSumLayer(_EltwiseLayer):
    """Add up blobs, each times its coeff.

    bottom[i]: two or more of one shape. top[0]: that shape, or one of the bottoms (in place).

    Raises LayerError for different shapes, and unless coeff is given for no bottom or for each.
    """

    messages = ("eltwise_param",)
    not_read = {
        "eltwise_param.stable_prod_grad": "it is for operation: PROD",
    }

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the coefficients."""
        self.coeff = list(self.layer_param.eltwise_param.coeff) or [1.0] * len(bottom)
        if len(self.coeff) != len(bottom):
            raise LayerError(
                "eltwise_param.coeff",
                f"given {len(self.coeff)} times",
                f"Eltwise Layer takes one coefficient per bottom blob, here {len(bottom)}, or none",
            )

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the coefficients."""
        return "y = " + " + ".join(f"{coeff:g} * bottom[{index}]" for index, coeff in enumerate(self.coeff))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top, adding in the order of the bottoms."""
        values, out = self.keep(bottom), top[0].data
        kernels.weighted_sum(self.coeff[0], values[0], self.coeff[1], values[1], out)
        for coeff, value in zip(self.coeff[2:], values[2:], strict=True):
            kernels.add_scaled(coeff, value, out)

    def differentiate(self, index: int, top: Blobs, bottom: Blobs) -> None:
        """Overwrite the gradient of one bottom with coeff * dy."""
        kernels.scale(self.coeff[index], top[0].diff, bottom[index].diff)


@register_layer("Eltwise", when=lambda layer: layer.eltwise_param.operation == Param.PROD)
class EltwiseProdLayer(_EltwiseLayer):
    """Multiply blobs.

    bottom[i]: two or more of one shape. top[0]: that shape, or one of the bottoms (in place).

    With stable_prod_grad false the gradient is dy * y / x, NaN where x is 0.
    Raises LayerError for different shapes, and for a coeff.
    """

    messages = ("eltwise_param",)
    formula = "y = bottom[0] * bottom[1] * ..., of all bottoms at the same place"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Refuse coefficients."""
        param = self.layer_param.eltwise_param
        if param.coeff:
            raise LayerError(
                "eltwise_param.coeff",
                f"given {len(param.coeff)} times",
                "Eltwise layer only takes coefficients for summation; remove it",
            )
        self.stable = param.stable_prod_grad

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Say that the product is read to be divided, unless the gradient is the stable one."""
        return () if self.stable else (0,)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        values, out = self.keep(bottom), top[0].data
        kernels.multiply(values[0], values[1], out)
        for value in values[2:]:
            kernels.multiply_by(value, out)

    def differentiate(self, index: int, top: Blobs, bottom: Blobs) -> None:
        """Overwrite the gradient of one bottom with dy times the other bottoms."""
        values, diff = self.kept(bottom), bottom[index].diff
        if not self.stable:
            with np.errstate(divide="ignore", invalid="ignore"):
                np.multiply(top[0].diff, top[0].data / values[index], out=diff)
            return
        others = values[:index] + values[index + 1 :]
        kernels.multiply(top[0].diff, others[0], diff)
        for value in others[1:]:
            kernels.multiply_by(value, diff)


@register_layer("Eltwise", when=lambda layer: layer.eltwise_param.operation == Param.MAX)
class EltwiseMaxLayer(_EltwiseLayer):
    """Keep the largest of the blobs; it alone gets the gradient.

    bottom[i]: two or more of one shape. top[0]: that shape, or one of the bottoms (in place).

    Of equal values in bottoms 0 and 1 bottom 1 wins, a later bottom only if it is larger; coeff is ignored, as in
    Caffe. Raises LayerError for different shapes.
    """

    messages = ("eltwise_param",)
    formula = "y = largest of the values at the same place of the bottoms"
    not_read = {
        "eltwise_param.coeff": "it is for operation: SUM",
        "eltwise_param.stable_prod_grad": "it is for operation: PROD",
    }

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Make room for the winners."""
        super().reshape(bottom, top)
        self.winner = np.full(bottom[0].shape, -1, np.int32)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        kernels.largest_of(self.keep(bottom), top[0].data, self.winner)

    def differentiate(self, index: int, top: Blobs, bottom: Blobs) -> None:
        """Overwrite the gradient of one bottom with dy where it won."""
        kernels.where_winner(top[0].diff, self.winner, index, bottom[index].diff)
