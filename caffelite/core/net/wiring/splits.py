"""Give a blob that is used several times a Split layer. Source: src/caffe/util/insert_splits.cpp.

Unlike Caffe, a loss weight that a layer has without writing it counts as a use like a written one, and the weights of a
layer's other tops stay: so the total is the sum of weight x value, each once, and the gradients are its derivative.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.bottoms import unknown_bottom
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.lines import Place
from caffelite.proto.caffe_pb2 import LayerParameter

Top = tuple[int, int]  # (layer index, top index)
DefaultLossWeights = Callable[[LayerParameter], Sequence[float]]


def split_layer_name(layer_name: str, blob: str, top_id: int) -> str:
    """Return the name of the Split of a blob that is top `top_id` of the layer."""
    return f"{blob}_{layer_name}_{top_id}_split"


def insert_splits(draft: Draft, default_loss_weights: DefaultLossWeights) -> Draft:
    """Return the net in which each top is read at most once, except by the loss total.

    `default_loss_weights(layer)`: what a layer weights its tops with if its message has no loss_weight; [1.0] for
    losses, [] for others. A Split has the place of the layer whose top it splits. A second call changes nothing.
    Raises NetError for a bottom that no layer above makes, and for in-place work on a blob that is used elsewhere.
    """
    sources = _sources(draft)
    weights = [_loss_weights(layer, default_loss_weights) for layer in draft.layers]
    uses = _uses(sources, weights)
    _refuse_in_place(draft, sources, uses)
    layers: list[LayerParameter] = []
    places: list[Place | None] = []
    taken: dict[Top, int] = defaultdict(int)  # how many tops of a Split have found their reader
    for index, original in enumerate(draft.layers):
        split_ids = [top_id for top_id in range(len(original.top)) if uses[index, top_id] > 1]
        moved = [top_id for top_id in split_ids if _weight(weights[index], top_id)]
        if not moved and all(uses[top] <= 1 for top in sources[index]):
            layer = original
        else:
            layer = LayerParameter()
            layer.CopyFrom(original)
        for bottom_id, top in enumerate(sources[index]):
            if uses[top] > 1:
                name = split_layer_name(draft.layers[top[0]].name, layer.bottom[bottom_id], top[1])
                layer.bottom[bottom_id] = f"{name}_{taken[top]}"
                taken[top] += 1
        taken.update({(index, top_id): 1 for top_id in moved})  # the loss takes the first
        if moved:
            _take_weights(layer, weights[index], moved, default_loss_weights)
        splits = [_split(layer, i, uses[index, i], _weight(weights[index], i)) for i in split_ids]
        layers += [layer, *splits]
        places += [draft.places[index]] * (1 + len(splits))
    return draft.with_layers(layers, places)


def _sources(draft: Draft) -> list[list[Top]]:
    """Return the top that each bottom of each layer reads: the last one of that name made above."""
    made: dict[str, Top] = {}
    sources = []
    for index, layer in enumerate(draft.layers):
        for bottom_id, blob in enumerate(layer.bottom):
            if blob not in made:
                raise unknown_bottom(draft, index, bottom_id, made)
        sources.append([made[blob] for blob in layer.bottom])
        made.update({blob: (index, top_id) for top_id, blob in enumerate(layer.top)})
    return sources


def _loss_weights(layer: LayerParameter, default_loss_weights: DefaultLossWeights) -> list[float]:
    return list(layer.loss_weight) or list(default_loss_weights(layer))[: len(layer.top)]


def _weight(weights: Sequence[float], top_id: int) -> float:
    return weights[top_id] if top_id < len(weights) else 0.0


def _uses(sources: list[list[Top]], weights: list[list[float]]) -> dict[Top, int]:
    """Return how often each top is used: by bottoms, and once by the total loss if it has a weight."""
    uses: dict[Top, int] = defaultdict(int)
    for layer_sources in sources:
        for top in layer_sources:
            uses[top] += 1
    for index, layer_weights in enumerate(weights):
        for top_id, weight in enumerate(layer_weights):
            uses[index, top_id] += weight != 0
    return uses


def _refuse_in_place(draft: Draft, sources: list[list[Top]], uses: dict[Top, int]) -> None:
    for index, layer in enumerate(draft.layers):
        for bottom_id, top in enumerate(sources[index]):
            blob = layer.bottom[bottom_id]
            if uses[top] > 1 and blob in layer.top:
                readers = [other for other, tops in enumerate(sources) if top in tops and other != index]
                elsewhere = f"{draft.named(readers[0])} reads it" if readers else "it has another use"
                raise NetError(
                    f"{draft.where(index, 'top')}Top blob '{blob}' produced by multiple sources. "
                    f'Layer "{layer.name}" works in place on it, but {elsewhere}, too; give this top another name'
                )


def _take_weights(
    layer: LayerParameter, weights: Sequence[float], moved: list[int], default_loss_weights: DefaultLossWeights
) -> None:
    """Write the weights that stay with the layer when those of the tops `moved` go to Splits."""
    left = [0.0 if top_id in moved else weight for top_id, weight in enumerate(weights)]
    del layer.loss_weight[:]
    # a loss without any weight would get its default back; and too long a list is kept for the error it deserves
    if any(left) or any(default_loss_weights(layer)) or len(left) > len(layer.top):
        layer.loss_weight.extend(left)


def _split(layer: LayerParameter, top_id: int, uses: int, weight: float) -> LayerParameter:
    name = split_layer_name(layer.name, layer.top[top_id], top_id)
    tops = [f"{name}_{k}" for k in range(uses)]
    weights = [weight, *[0.0] * (uses - 1)] if weight else []
    return LayerParameter(name=name, type="Split", bottom=[layer.top[top_id]], top=tops, loss_weight=weights)
