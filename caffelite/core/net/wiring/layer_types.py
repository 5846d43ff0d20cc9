"""Refuse layers of unknown type, all of a net's at once."""

from collections.abc import Collection

from caffelite.core.errors import UnknownNameError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.parse import and_more, known_types_hint, unknown_type


def check_types(draft: Draft, known_types: Collection[str]) -> None:
    """Raise UnknownNameError, one problem a line, if a layer has another type than these; call it after filter_net.

    Each type is told of once, at its first layer; all known types are listed once.
    """
    unknown: dict[str, list[int]] = {}
    for index, layer in enumerate(draft.layers):
        if layer.type not in known_types:
            unknown.setdefault(layer.type, []).append(index)
    problems: list[str] = []
    for layer_type, (first, *others) in unknown.items():
        text = unknown_type(layer_type, known_types)
        hint = known_types_hint(text, known_types)
        if any("(known types: " in problem for problem in problems):
            hint = ""
        told = f'{draft.where(first, "type")}layer "{draft.layers[first].name}": {text}'
        problems.append(told + _also(draft, others) + hint)
    if problems:
        raise UnknownNameError("\n".join(problems))


def _also(draft: Draft, others: list[int]) -> str:
    lines = [place.lines.line(f"{place.prefix}.type") for index in others if (place := draft.places[index]) is not None]
    if len(lines) == len(others):
        return and_more([line for line in lines if line is not None])
    return f" (and {len(others)} more layers)" if others else ""
