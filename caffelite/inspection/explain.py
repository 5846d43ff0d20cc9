"""explain: what a layer computes, with its numbers filled in, and the matrices that it multiplies."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

from caffelite.core.blob import Shape
from caffelite.core.costs import Product
from caffelite.core.errors import printable
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.net.net import Net
from caffelite.core.tables import aligned, by, thousands
from caffelite.inspection.lookup import layer_index
from caffelite.inspection.of_file import net_of_file

WIDTH = 100
_SIGN = re.compile(r" (//|[<=*/]) ")  # a line does not end beside one of these, nor within brackets
_IN_BRACKETS = re.compile(r"\[[^][]*\]|\([^()]*\)")
_GLUE = "\0"


@dataclass(frozen=True)
class Explanation:
    """One layer of a net. `print` shows it.

    bottoms, tops, params: name -> shape. columns: of layers with an im2col matrix its shape for one image and group,
    and what its rows and columns are. products: those of both passes; `is_forward` tells which.
    """

    name: str
    type: str
    where: str
    formula: str
    bottoms: dict[str, Shape]
    tops: dict[str, Shape]
    params: dict[str, Shape]
    columns: tuple[Shape, str] | None
    products: list[Product]

    def __str__(self) -> str:
        lines = [f"{self.where}{self.name} ({self.type})"]
        lines += _wrapped(self.formula)
        for noun, shapes in (("bottom", self.bottoms), ("top", self.tops), ("blob", self.params)):
            lines += [f"  {noun:<7}{name}: {by(shape)}" for name, shape in shapes.items()]
        if self.columns is not None:
            shape, words = self.columns
            lines.append(f"  im2col {by(shape)}: {words}")
        for title, is_forward in (("forward", True), ("backward", False)):
            rows = [_row(product) for product in self.products if product.is_forward == is_forward]
            if rows:
                lines += [f"  {title}:", *aligned(rows, indent="    ")]
        return printable("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)


def explain(net: Net, name: str) -> Explanation:
    """Return the formula of layer `name` with its numbers, its shapes, and its products in both passes.

    UnknownNameError for a name that no layer has.
    """
    index = layer_index(net, name)
    step = net.plan.layer_steps[index]
    layer, place = step.layer, step.layer.place
    nodes = [*net.graph().nodes, *net.graph(with_inserted=True).nodes]  # blobs as the user named them, first
    node = next(node for node in nodes if node.index == index)
    return Explanation(
        name,
        layer.layer_param.type,
        "" if place is None else place.where(),
        layer.formula_with_numbers(step.bottom, step.top) or f"{type(layer).__name__} does not say its `formula`",
        dict(zip(node.bottoms, node.bottom_shapes, strict=True)),
        dict(zip(node.tops, node.top_shapes, strict=True)),
        {f"{name}[{number}]": blob.shape for number, blob in enumerate(layer.blobs)},
        _columns(layer) if isinstance(layer, BaseConvolutionLayer) else None,
        layer.matrix_products(step.bottom, step.top),
    )


def explanation_of_file(
    path: str | os.PathLike[str],
    name: str,
    phase: int,
    level: int = 0,
    stages: Iterable[str] = (),
    shapes: Mapping[str, Shape] | None = None,
    python_layers: bool = True,
) -> Explanation:
    """Return what layer `name` of the net in a file computes; the data of the net need not be there.

    The other arguments and errors are those of `net_of_file`; UnknownNameError for a name that no layer has.
    """
    with net_of_file(path, phase, level, stages, shapes, python_layers) as (net, replaced):
        found = explain(net, name)
        reasons = {tuple(one.shapes): one for one in replaced}
        one = None if found.bottoms else reasons.get(tuple(found.tops))
        if one is None:
            return found
        return replace(found, type=one.type, formula=f"{one.reason}; its shapes alone are known")


def _columns(layer: BaseConvolutionLayer) -> tuple[Shape, str]:
    """Return the shape of the im2col matrix of one image and group, and what its rows and columns are."""
    kernel, spatial = layer.window.kernel, layer.output_shape[1:]
    channels = layer.conv_in_channels // layer.group
    words = f"a row for each of {channels} channels x {by(kernel or (1,))} taps, a column for each of "
    words += f"{by(spatial or (1,))} places"
    if layer.group > 1:
        words += f"; {layer.group} such matrices an image, one for each group"
    return (channels * prod(kernel), prod(spatial)), words


def _wrapped(formula: str) -> Iterator[str]:
    """Yield the lines of a formula; one is longer than WIDTH only where it has no place to end."""
    glued = _SIGN.sub(rf"{_GLUE}\1{_GLUE}", formula)
    for _ in range(2):  # brackets within brackets, the inner ones first
        glued = _IN_BRACKETS.sub(lambda found: found[0].replace(" ", _GLUE), glued)
    line = " "
    for word in glued.split(" "):
        if len(line) + 1 + len(word) > WIDTH and line.strip():
            yield line.replace(_GLUE, " ")
            line = "   "
        line += f" {word}"
    yield line.replace(_GLUE, " ")


def _row(product: Product) -> list[str]:
    times = "once" if product.times == 1 else f"{thousands(product.times)} times"
    return [
        f"{product.makes} {by(product.shape)}",
        f"= {product.left} {by(product.left_shape)}",
        f"times {product.right} {by(product.right_shape)},",
        f"{times}: {thousands(product.multiply_adds)} multiply-adds",
    ]
