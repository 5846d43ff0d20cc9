"""Refuse layers of unknown type, all of a net's at once."""

from collections.abc import Collection

from caffelite.core.errors import UnknownNameError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.parse import unknown_type


def check_types(draft: Draft, known_types: Collection[str]) -> None:
    """Raise UnknownNameError, one problem a line, if a layer has another type than these; call it after filter_net."""
    problems = [
        f'{draft.where(index, "type")}layer "{layer.name}": {unknown_type(layer.type, known_types)}'
        for index, layer in enumerate(draft.layers)
        if layer.type not in known_types
    ]
    if problems:
        raise UnknownNameError("\n".join(problems))
