"""The text of a deploy.prototxt, from the file of a net for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import makes_data
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.prototxt.write import net_text
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from caffelite.writing.deploy import deploy


class Written(NamedTuple):
    """The text of a prototxt file, and what was decided on the way, to be told."""

    text: str
    notes: list[str]


def deploy_file(
    path: Path,
    batch_size: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    python_layers: bool = True,
) -> Written:
    """Return the text of the net for use that a train_val.prototxt gives; see deploy.

    It is made of the net's TEST phase, or of TRAIN if only that has data.
    The net of the text is built, so that what is written works. Raises PrototxtError, NetError or LayerError.
    """
    param, lines, _ = load_net(path, layer_type_list())
    draft = Draft.of(param, lines)
    test, train = (draft.with_param(with_caller_state(draft.param, phase, level, stages)) for phase in (TEST, TRAIN))
    draft = train if makes_data(train) and not makes_data(test) else test
    context = Context(folder=path.parent, python_layers=python_layers)
    made = deploy(draft, context, shapes, batch_size)
    text = net_text(made.net, _head(made.net, path, context), made.comments)
    assert parse_net(text, "deploy.prototxt")[0] == made.net
    return Written(text, made.notes)


def _head(net: NetParameter, path: Path, context: Context) -> list[str]:
    """Return what the file begins with: where it comes from, and what goes in and comes out."""
    draft = Draft.of(net)
    built = Net(draft.with_param(with_caller_state(draft.param, TEST)), context)
    shapes = {top: shape for node in built.graph().nodes for top, shape in zip(node.tops, node.top_shapes, strict=True)}
    ins, outs = (
        ", ".join(f"{blob} {'x'.join(map(str, shapes[blob]))}" for blob in blobs) or "nothing"
        for blobs in (built.inputs, built.outputs)
    )
    return [f"{net.name or 'The net'} for use: {ins} in; {outs} out.", f"Made of {path.name} by caffelite deploy."]
