"""The error for a bottom that no layer above makes, with the likeliest reason."""

from collections.abc import Collection

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.suggest import did_you_mean


def unknown_bottom(draft: Draft, index: int, bottom_id: int, known: Collection[str]) -> NetError:
    """Return the error for `bottom[bottom_id]` of layer `index`; `known` are the blobs that it could have named."""
    layer = draft.layers[index]
    blob = layer.bottom[bottom_id]
    where = draft.where(index, f"bottom[{bottom_id}]")
    text = f"{where}Unknown bottom blob '{blob}' (layer '{layer.name}', bottom index {bottom_id})"
    return NetError(text + _reason(draft, index, blob, known))


def _reason(draft: Draft, index: int, blob: str, known: Collection[str]) -> str:
    for other in range(index):
        if blob in draft.layers[other].bottom:
            return f"; {draft.named(other)} reads it, and without a Split only one layer can"
    for other in range(index, len(draft.layers)):
        if blob in draft.layers[other].top:
            maker = "the layer itself" if other == index else draft.named(other)
            return f"; {maker} makes it, but a bottom needs a layer above that makes it"
    if blob in draft.left_out:
        return f"; {draft.left_out[blob]} makes it, but its rules leave it out of this net"
    return did_you_mean(blob, known)
