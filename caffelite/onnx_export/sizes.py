"""Which axes of a net's inputs may have other sizes: those with which its layers write the same operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from caffelite.core.blob import Blob, Shape
from caffelite.core.errors import CaffeliteError
from caffelite.core.net.net import Net
from caffelite.onnx_export.build import input_blobs
from caffelite.onnx_export.graph import Graph

Axes = list[tuple[str, int]]  # input and axis
OtherSize = Callable[[int], int]
# the first must do, the others must say the same if the net takes them: at times a few pixels more change nothing
LARGER: tuple[OtherSize, ...] = (lambda size: 2 * size, lambda size: size + 1, lambda size: 3 * size + 2)
BATCH, HEIGHT, WIDTH = "N", "height", "width"


@dataclass
class Free:
    """A size that whoever runs the model chooses: its name, where it stands in the inputs, and all blobs' shapes."""

    name: str
    axes: Axes
    shapes: dict[str, Shape] = field(default_factory=dict)  # at another size


def free_sizes(net: Net, graph: Graph, write: Callable[[Net], Graph]) -> list[Free]:
    """Return the sizes that may be others than the net has now, whose graph is `graph`; `write` makes one of a net.

    Tried are the batch, height and width of all inputs at once; where the inputs cannot all have another batch, each by
    itself. The net has its shapes again afterwards.
    """
    inputs = input_blobs(net)
    found: list[Free] = []
    for name, axes in _candidates({name: blob.shape for name, blob in inputs.items()}):
        if any(set(axes) & set(free.axes) or name == free.name for free in found):
            continue
        shapes = _shapes_at_others(net, inputs, axes, graph, write)
        if shapes is not None:
            found.append(Free(name, axes, shapes))
    return found


def _candidates(shapes: dict[str, Shape]) -> Iterator[tuple[str, Axes]]:
    """Give names and axes that may be free, those of all inputs before those of one."""
    first = [name for name, shape in shapes.items() if shape]
    yield BATCH, [(name, 0) for name in first]
    streams = [name for name, shape in shapes.items() if len(shape) > 1]
    if len(first) > 1:
        for name in first:
            yield (BATCH if name == first[0] else f"{name}_N"), [(name, 0)]
        yield BATCH, [(name, 1) for name in streams]
    for axis, word in ((2, HEIGHT), (3, WIDTH)):
        images = [name for name, shape in shapes.items() if len(shape) == 4]
        yield word, [(name, axis) for name in images]


def _shapes_at_others(
    net: Net, inputs: dict[str, Blob], axes: Axes, graph: Graph, write: Callable[[Net], Graph]
) -> dict[str, Shape] | None:
    """Return the blobs' shapes with other sizes on these axes; None if the net or its graph is another then."""
    sizes = {inputs[name].shape[axis] for name, axis in axes}
    if len(sizes) != 1:
        return None
    found: dict[str, Shape] | None = None
    for other in LARGER:
        with _resized(net, inputs, axes, other):
            try:
                net.reshape()
                made = write(net)
            except CaffeliteError:
                if found is None:
                    return None
                continue
            if not made.says_the_same(graph):
                return None
            found = found or dict(made.shapes)
    return found


@contextmanager
def _resized(net: Net, inputs: dict[str, Blob], axes: Iterable[tuple[str, int]], other: OtherSize) -> Iterator[None]:
    """Give the inputs other sizes while the block runs."""
    before = {name: blob.shape for name, blob in inputs.items()}
    try:
        for name, axis in axes:
            shape = list(inputs[name].shape)
            shape[axis] = other(shape[axis])
            inputs[name].reshape(*shape)
        yield
    finally:
        for name, blob in inputs.items():
            blob.reshape(*before[name])
        net.reshape()


def name_sizes(graph: Graph, free: list[Free]) -> None:
    """Fill `graph.dims`: names for sizes that may be others, numbers for the rest."""
    given = {(name, axis): one for one in free for name, axis in one.axes}
    for name, shape in graph.shapes.items():
        loose = graph.loose.get(name, frozenset())
        graph.dims[name] = [size if axis not in loose else f"{name}.{axis}" for axis, size in enumerate(shape)]
        for axis, size in enumerate(shape):
            if axis in loose:
                continue
            moved = [one for one in free if one.shapes[name][axis] != size]
            if not moved:
                continue
            if len(moved) == 1 and _is_the_size_itself(graph, moved[0], name, axis):
                graph.dims[name][axis] = moved[0].name
            else:
                graph.dims[name][axis] = f"{name}.{axis}"
    for (name, axis), one in given.items():
        graph.dims[name][axis] = one.name


def _is_the_size_itself(graph: Graph, free: Free, name: str, axis: int) -> bool:
    source, at = free.axes[0]
    return (graph.shapes[name][axis], free.shapes[name][axis]) == (graph.shapes[source][at], free.shapes[source][at])
