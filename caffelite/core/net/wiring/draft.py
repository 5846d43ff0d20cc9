"""Where a layer stands in the user's file, kept through filtering, upgrading and splitting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from caffelite.core.prototxt.lines import Lines, Place, where
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter


def label(layer: LayerParameter) -> str:
    """Return `layer "pool1" (Pooling)`."""
    return f'layer "{layer.name}" ({layer.type})'


@dataclass(frozen=True)
class Draft:
    """A net on its way from file to plan; `places` is parallel to `param.layer`.

    left_out: blobs made only by layers that filtering removed -> which layer, for the errors of those who miss them.
    """

    param: NetParameter
    places: tuple[Place | None, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, param: NetParameter, lines: Lines | None = None) -> "Draft":
        """Return the draft of a net; `lines` are those of the message `param`, if it comes from a file."""
        places = (None if lines is None else Place(lines, f"layer[{i}]") for i in range(len(param.layer)))
        return cls(param, tuple(places))

    def with_layers(
        self,
        layers: Sequence[LayerParameter],
        places: Sequence[Place | None],
        left_out: Mapping[str, str] | None = None,
    ) -> "Draft":
        """Return a draft with other layers, all else being a copy; this one stays as it is."""
        param = NetParameter()
        param.CopyFrom(self.param)
        del param.layer[:]
        param.layer.extend(layers)
        return Draft(param, tuple(places), self.left_out if left_out is None else left_out)

    def where(self, index: int, field: str = "") -> str:
        """Return `file:67: ` for a field of layer `index`, "" if it comes from no file."""
        return where(self.places[index], field)

    def named(self, index: int) -> str:
        """Return `layer "pool1" (net.prototxt:67)` for mention inside an error text."""
        place = self.where(index).rstrip(": ")
        name = f'layer "{self.param.layer[index].name}"'
        return f"{name} ({place})" if place else name
