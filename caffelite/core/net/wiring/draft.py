"""Where a layer stands in the user's file, kept through filtering, upgrading and splitting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from caffelite.core.prototxt.lines import Lines, Place, where
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter


def without_layers(param: NetParameter) -> NetParameter:
    """Return a copy of the net's own fields: name, state, force_backward, ...; stored weights are not gone through."""
    own = NetParameter()
    for descriptor, value in param.ListFields():
        if descriptor.name == "layer":
            continue
        if descriptor.message_type or isinstance(value, Sequence) and not isinstance(value, str):
            getattr(own, descriptor.name).MergeFrom(value)
        else:
            setattr(own, descriptor.name, value)
    return own


@dataclass(frozen=True)
class Draft:
    """A net on its way from file to plan.

    param: the fields of the net itself, without layers.
    layers, places: the layers' messages, not to be changed (they are the user's own where no step had to change them,
    since they may hold all the weights), and where they stand in the file.
    left_out: blobs made only by layers that filtering removed -> which layer, for the errors of those who miss them.
    read_elsewhere: blobs that layers read which are not among these, for one who looks at a net without some of them.
    """

    param: NetParameter
    layers: tuple[LayerParameter, ...]
    places: tuple[Place | None, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    read_elsewhere: frozenset[str] = frozenset()

    @classmethod
    def of(cls, param: NetParameter, lines: Lines | None = None) -> "Draft":
        """Return the draft of a net with its layers; `lines` are those of `param`, if it comes from a file."""
        places = (None if lines is None else Place(lines, f"layer[{i}]") for i in range(len(param.layer)))
        return cls(without_layers(param), tuple(param.layer), tuple(places))

    def with_layers(
        self,
        layers: Sequence[LayerParameter],
        places: Sequence[Place | None],
        left_out: Mapping[str, str] | None = None,
    ) -> "Draft":
        """Return a draft with other layers, all else being the same; this one stays as it is."""
        left_out = self.left_out if left_out is None else left_out
        return replace(self, layers=tuple(layers), places=tuple(places), left_out=left_out)

    def with_param(self, param: NetParameter) -> "Draft":
        """Return a draft of the same layers in a net with other fields of its own."""
        return replace(self, param=param)

    def message(self) -> NetParameter:
        """Return the whole net as one message; stored weights are copied, so this is for people who read it."""
        whole = NetParameter()
        whole.CopyFrom(self.param)
        whole.layer.extend(self.layers)
        return whole

    def where(self, index: int, field: str = "") -> str:
        """Return `file:67: ` for a field of layer `index`, "" if it comes from no file."""
        return where(self.places[index], field)

    def named(self, index: int) -> str:
        """Return `layer "pool1" (net.prototxt:67)` for mention inside an error text."""
        line = self.where(index).rstrip(": ")
        name = f'layer "{self.layers[index].name}"'
        return f"{name} ({line})" if line else name
