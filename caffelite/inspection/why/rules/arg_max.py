"""ArgMax: a place of a large value, or the value."""

from __future__ import annotations

import numpy as np

from caffelite.core.layers.arg_max import ArgMaxLayer
from caffelite.inspection.why.terms import BOTTOM, At, Terms, made_of, value_of


@value_of(ArgMaxLayer)
def _arg_max(at: At, top: int, place: int) -> list[Terms]:
    param, (_, size, inner) = at.layer.layer_param.argmax_param, at.layer.around
    outer, rest = divmod(place, param.top_k * inner)
    rank, column = divmod(rest, inner)
    is_value = param.out_max_val
    if at.layer.axis is None and param.out_max_val:  # a row of places, then one of values
        outer, is_value = outer // 2, bool(outer % 2)
    values = at.bottom(0, (outer * size + np.arange(size)) * inner + column)
    found = int(np.argsort(values, kind="stable")[::-1][rank])  # of equal values the last comes first
    text = f"{'value' if is_value else 'place'} of the number {rank + 1} of {size} values"
    made = values[found] if is_value else found
    return [made_of(made, BOTTOM, 0, (outer * size + found) * inner + column, values[found], text)]
