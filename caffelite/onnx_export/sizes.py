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
# The first must do, the others must say the same if the net takes them: at times a few pixels more change nothing, and
# sizes that are even are equal where others are not.
OTHERS: tuple[OtherSize, ...] = (
    lambda size: 2 * size,
    lambda size: size + 1,
    lambda size: 3 * size + 2,
    lambda size: size - 1,
    lambda size: size // 2,
)
BATCH, HEIGHT, WIDTH = "N", "height", "width"


@dataclass
class Free:
    """A size that whoever runs the model chooses: its name, where it stands in the inputs, and all blobs' shapes.

    shapes: by name, at each of the other sizes that the net takes.
    """

    name: str
    axes: Axes
    shapes: list[dict[str, Shape]] = field(default_factory=list)

    def moves(self, name: str, axis: int, size: int) -> bool:
        """Whether an axis of a blob has another length than `size` when this one is another."""
        return any(shapes[name][axis] != size for shapes in self.shapes)


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
        if shapes:
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
) -> list[dict[str, Shape]]:
    """Return the blobs' shapes with each of the other sizes on these axes; none if the net or its graph is another."""
    sizes = {inputs[name].shape[axis] for name, axis in axes}
    if len(sizes) != 1:
        return []
    size = sizes.pop()
    found: list[dict[str, Shape]] = []
    for other in (change(size) for change in OTHERS):
        if other < 1:
            continue
        with _resized(net, inputs, axes, other):
            try:
                net.reshape()
                made = write(net)
            except CaffeliteError:
                if not found:
                    return []
                continue
            if not made.says_the_same(graph):
                return []
            found.append(made.shapes)
    return found


@contextmanager
def _resized(net: Net, inputs: dict[str, Blob], axes: Iterable[tuple[str, int]], size: int) -> Iterator[None]:
    """Give the inputs another size on these axes while the block runs."""
    before = {name: blob.shape for name, blob in inputs.items()}
    try:
        for name, axis in axes:
            shape = list(inputs[name].shape)
            shape[axis] = size
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
            moved = [one for one in free if one.moves(name, axis, size)]
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
    return all(shapes[name][axis] == shapes[source][at] for shapes in (graph.shapes, *free.shapes))
