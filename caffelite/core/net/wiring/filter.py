"""Keep the layers whose include and exclude rules fit the net's state. Source: src/caffe/net.cpp, FilterNet."""

from collections.abc import Callable, Iterator

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.proto.caffe_pb2 import LayerParameter, NetState, NetStateRule

Log = Callable[[str], object]


def _silent(text: str) -> None:
    """Log nothing."""


def unmet(rule: NetStateRule, state: NetState, layer_name: str) -> str:
    """Return the first reason why the state does not meet the rule, in Caffe's words; "" if it does."""
    return next(_reasons(rule, state, f"specified by a rule in layer {layer_name}"), "")


def _reasons(rule: NetStateRule, state: NetState, end: str) -> Iterator[str]:
    if rule.HasField("phase") and rule.phase != state.phase:
        yield f"The NetState phase ({state.phase}) differed from the phase ({rule.phase}) {end}"
    if rule.HasField("min_level") and state.level < rule.min_level:
        # "above" is Caffe's word for below; log readers know it
        yield f"The NetState level ({state.level}) is above the min_level ({rule.min_level}) {end}"
    if rule.HasField("max_level") and state.level > rule.max_level:
        yield f"The NetState level ({state.level}) is above the max_level ({rule.max_level}) {end}"
    for stage in rule.stage:
        if stage not in state.stage:
            yield f"The NetState did not contain stage '{stage}' {end}"
    for stage in rule.not_stage:
        if stage in state.stage:
            yield f"The NetState contained a not_stage '{stage}' {end}"


def included(layer: LayerParameter, state: NetState, log: Log = _silent) -> bool:
    """Return whether the layer belongs to a net of that state.

    With include rules: if any of them is met; else: if no exclude rule is. `log` gets the reason of each unmet rule.
    """

    def met(rule: NetStateRule) -> bool:
        reason = unmet(rule, state, layer.name)
        if reason:
            log(reason)
        return not reason

    if layer.include:
        return any(met(rule) for rule in layer.include)
    return not any(met(rule) for rule in layer.exclude)


def makes_data(draft: Draft) -> bool:
    """Return whether the net, in its state, has a layer that makes its data: without one it is not for this state."""
    return any(not layer.bottom and included(layer, draft.param.state) for layer in draft.layers)


def filter_net(draft: Draft, log: Log = _silent) -> Draft:
    """Return the net of the layers that fit `param.state`; their rules stay in their messages.

    Raises NetError for a layer with both include and exclude rules, even if it would not be kept.
    """
    for index, layer in enumerate(draft.layers):
        if layer.include and layer.exclude:
            where = draft.where(index, "exclude")
            raise NetError(
                f'{where}layer "{layer.name}": Specify either include rules or exclude rules; not both. '
                "Write what the exclude rules say as include rules of the other phases or stages"
            )
    keep = [included(layer, draft.param.state, log) for layer in draft.layers]
    layers = [layer for layer, kept in zip(draft.layers, keep, strict=True) if kept]
    places = [place for place, kept in zip(draft.places, keep, strict=True) if kept]
    return draft.with_layers(layers, places, left_out={**draft.left_out, **_left_out(draft, keep)})


def _left_out(draft: Draft, keep: list[bool]) -> dict[str, str]:
    return {top: draft.named(index) for index, layer in enumerate(draft.layers) if not keep[index] for top in layer.top}
