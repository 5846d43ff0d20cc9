"""A net of a file, built for what can be said of it without its data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from caffelite.core.blob import Shape
from caffelite.core.container import NO_LIMIT, Budget
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import Replacement, without_data, without_fillers
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.upgrade import load_net


@contextmanager
def net_of_file(
    path: str | os.PathLike[str],
    phase: int,
    level: int = 0,
    stages: Iterable[str] = (),
    shapes: Mapping[str, Shape] | None = None,
    python_layers: bool = True,
) -> Iterator[tuple[Net, list[Replacement]]]:
    """Give the net in a file, and the data layers that were replaced because their data are not there.

    Their tops get the shapes that the file tells, or `shapes`, blob -> shape, which win. The weights are 0. The net may
    be larger than the memory, as long as its parameters are not. Raises PrototxtError, NetError or LayerError with file
    and line for a net that cannot be built.
    """
    param, lines, notes = load_net(Path(path), layer_type_list())
    log_notes(notes)
    draft = Draft.of(param, lines)
    draft = draft.with_param(with_caller_state(draft.param, phase, level, stages))
    folder = Path(path).parent
    changed = without_data(draft, shapes, folder)
    # its blobs are never filled, so it may be larger than the memory
    context = Context(folder=folder, python_layers=python_layers, budget=Budget(NO_LIMIT))
    net = Net(without_fillers(changed.draft), context)
    try:
        yield net, changed.replacements
    finally:
        net.close()
