"""Which bottom is which blob: numbers for all blobs, in-place work, inputs and outputs. Source: src/caffe/net.cpp."""

from collections.abc import Callable
from dataclasses import dataclass, field

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.bottoms import unknown_bottom
from caffelite.core.net.wiring.draft import Draft
from caffelite.proto.caffe_pb2 import LayerParameter

AUTOMATIC = "(automatic)"  # the name of every top that a loss layer adds by itself


@dataclass(frozen=True)
class Wiring:
    """Blobs of a net by number, in the order in which layers make them.

    bottom_ids, top_ids: for each layer its blobs' numbers; an in-place top has the number of its bottom.
    output_ids: blobs that no layer reads, in the order of their names; automatic tops are not among them.
    """

    blob_names: tuple[str, ...]
    bottom_ids: tuple[tuple[int, ...], ...]
    top_ids: tuple[tuple[int, ...], ...]
    input_ids: tuple[int, ...]
    output_ids: tuple[int, ...]


def wire(
    draft: Draft, is_input: Callable[[LayerParameter], bool], tops_needed: Callable[[LayerParameter], int]
) -> Wiring:
    """Return the wiring of a net after insert_splits.

    `is_input`: do the layer's tops count as inputs of the net? `tops_needed`: up to how many tops the layer makes
    further, automatic ones (losses), 0 if it never does.
    Raises NetError for unknown bottoms, blobs made twice, and a propagate_down list of wrong length.
    """
    builder = _Builder(draft)
    for index, layer in enumerate(draft.layers):
        _check_propagate_down(draft, index)
        bottoms = [builder.read(index, bottom_id) for bottom_id in range(len(layer.bottom))]
        tops = [builder.make(index, top_id) for top_id in range(len(layer.top))]
        tops += [builder.new_blob(AUTOMATIC) for _ in range(len(layer.top), tops_needed(layer))]
        builder.bottom_ids.append(tuple(bottoms))
        builder.top_ids.append(tuple(tops))
        if is_input(layer):
            builder.input_ids += tops
    return builder.wiring()


def _check_propagate_down(draft: Draft, index: int) -> None:
    layer = draft.layers[index]
    if len(layer.propagate_down) not in (0, len(layer.bottom)):
        raise NetError(
            f'{draft.where(index, "propagate_down")}layer "{layer.name}": propagate_down param must be specified '
            f"either 0 or bottom_size times; {len(layer.propagate_down)} entries for {len(layer.bottom)} bottoms"
        )


@dataclass
class _Builder:
    draft: Draft
    blob_names: list[str] = field(default_factory=list)
    bottom_ids: list[tuple[int, ...]] = field(default_factory=list)
    top_ids: list[tuple[int, ...]] = field(default_factory=list)
    input_ids: list[int] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    makers: dict[str, int] = field(default_factory=dict)  # the first layer that made the blob
    unread: set[str] = field(default_factory=set)

    def read(self, index: int, bottom_id: int) -> int:
        blob = self.draft.layers[index].bottom[bottom_id]
        if blob not in self.unread:
            raise unknown_bottom(self.draft, index, bottom_id, self.unread)
        self.unread.remove(blob)
        return self.ids[blob]

    def make(self, index: int, top_id: int) -> int:
        layer = self.draft.layers[index]
        blob = layer.top[top_id]
        in_place = top_id < len(layer.bottom) and layer.bottom[top_id] == blob
        if not in_place and blob in self.ids:
            raise self._made_twice(index, top_id)
        self.unread.add(blob)
        if in_place:
            return self.ids[blob]
        self.makers[blob] = index
        self.ids[blob] = self.new_blob(blob)
        return self.ids[blob]

    def new_blob(self, name: str) -> int:
        self.blob_names.append(name)
        return len(self.blob_names) - 1

    def _made_twice(self, index: int, top_id: int) -> NetError:
        layer = self.draft.layers[index]
        blob, first = layer.top[top_id], self.makers[layer.top[top_id]]
        maker = "twice in this layer" if first == index else f"by {self.draft.named(first)} and here"
        hint = "name it otherwise"
        if blob in layer.bottom:
            hint = f"to work in place on it, let it be bottom and top of the same index (here top {top_id})"
        elif first != index and self._are_of_two_phases(first, index):
            hint = "if one is for training and the other for tests, write include { phase: TRAIN } and include "
            hint += "{ phase: TEST } in them; else name it otherwise"
        return NetError(
            f"{self.draft.where(index, f'top[{top_id}]')}Top blob '{blob}' produced by multiple sources. "
            f'It is made {maker} (layer "{layer.name}"); {hint}'
        )

    def _are_of_two_phases(self, *indices: int) -> bool:
        """Whether the layers make data and not all of them say when they are there."""
        layers = [self.draft.layers[index] for index in indices]
        return all(not layer.bottom for layer in layers) and not all(layer.include or layer.exclude for layer in layers)

    def wiring(self) -> Wiring:
        return Wiring(
            tuple(self.blob_names),
            tuple(self.bottom_ids),
            tuple(self.top_ids),
            tuple(self.input_ids),
            tuple(self.ids[blob] for blob in sorted(self.unread)),
        )
