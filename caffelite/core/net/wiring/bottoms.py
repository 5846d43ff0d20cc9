"""The error for a bottom that no layer above makes, with the likeliest reason."""

from collections.abc import Collection

from caffelite.core.errors import NetError
from caffelite.core.layer import LAYERS
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import described
from caffelite.core.prototxt.suggest import any_of, nearest
from caffelite.proto.caffe_pb2 import LayerParameter

NEARBY = 3  # layers without a top, or tops that nobody reads, that an error names: those next above


def unknown_bottom(draft: Draft, index: int, bottom_id: int, known: Collection[str]) -> NetError:
    """Return the error for `bottom[bottom_id]` of layer `index`; `known` are the blobs that it could have named."""
    layer = draft.layers[index]
    blob = layer.bottom[bottom_id]
    where = draft.where(index, f"bottom[{bottom_id}]")
    text = f"{where}Unknown bottom blob '{blob}' (layer '{layer.name}', bottom index {bottom_id})"
    return NetError(text + _reason(draft, index, blob, known))


def shapeless_source(draft: Draft, index: int, shapeless: Collection[str]) -> str:
    """Return what to add to an error of layer `index` if a blob on its way from the data has no shape, or "".

    `shapeless` are the blobs without one: tops of an Input layer without input_param.
    """
    wanted = set(draft.layers[index].bottom)
    text = ""
    for above in reversed(range(index)):  # to the first one: what is computed from such a blob has no shape either
        tops = wanted.intersection(draft.layers[above].top)
        for blob in sorted(tops.intersection(shapeless)):
            text = (
                f"{draft.named(above)} gives '{blob}' no shape: write the sizes of your data there, such as "
                "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }"
            )
        if tops:
            wanted.update(draft.layers[above].bottom)
    return text


def _reason(draft: Draft, index: int, blob: str, known: Collection[str]) -> str:
    for other in range(index):
        if blob in draft.layers[other].bottom:
            return f"; {draft.named(other)} reads it, and without a Split only one layer can"
    for other in range(index, len(draft.layers)):
        if blob in draft.layers[other].top:
            maker = "the layer itself" if other == index else draft.named(other)
            return f"; {maker} makes it, but a bottom needs a layer above that makes it"
    if blob in draft.left_out:
        state = described(draft.param.state)
        return f"; {draft.left_out[blob]} makes it, but its rules leave it out of this net, whose state is {state}"
    topless = [above for above in range(index) if _lacks_a_top(draft.layers[above])]
    own = [above for above in topless if draft.layers[above].name == blob]
    like = "" if own else nearest(blob, known)
    if like:
        return f'; did you mean "{like}"?{_unread_maker(draft, index, like)}'
    layers = [draft.named(above) for above in own or topless[-NEARBY:]]
    verb = "has" if len(layers) == 1 else "have"
    if layers:
        return f'; {" and ".join(layers)} {verb} no top: is top: "{blob}" missing there?'
    unread = _unread_tops(draft, index)
    return f"; no layer reads {any_of(unread[-NEARBY:])}: is that meant?" if unread else ""


def _unread_tops(draft: Draft, index: int) -> list[str]:
    """Return the blobs made above layer `index` that no layer reads, each in quotes."""
    read = _read(draft)
    tops = dict.fromkeys(top for layer in draft.layers[:index] for top in layer.top if top not in read)
    return [f'"{top}"' for top in tops]


def _read(draft: Draft) -> set[str]:
    return {*draft.read_elsewhere, *(blob for layer in draft.layers for blob in layer.bottom)}


def _lacks_a_top(layer: LayerParameter) -> bool:
    """Whether the layer has no top although layers of its type make some, and not by themselves."""
    kinds = [kind.layer_class for kind in LAYERS[layer.type]] if layer.type in LAYERS else []
    needless = any(kind.auto_top_blobs or kind.exact_num_top_blobs == 0 for kind in kinds)
    return not layer.top and not needless


def _unread_maker(draft: Draft, index: int, blob: str) -> str:
    """Return the layer above that makes the blob if no layer reads it: then its top may be the misspelt one."""
    if blob in _read(draft):
        return ""
    makers = [draft.named(above) for above in range(index) if blob in draft.layers[above].top]
    return f" {makers[-1]} makes that, and no layer reads it" if makers else ""
