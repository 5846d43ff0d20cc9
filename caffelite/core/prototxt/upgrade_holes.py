"""Convolutions of DeepLab's first Caffe, `hole: 2`, to `dilation: 2`.

Source: pathak22/caffe-ccnn, which took it over, conv_layer.cpp: a kernel with holes is (kernel - 1) * hole + 1 wide.
"""

from collections.abc import Iterator

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.field_path import Moves, Upgraded
from caffelite.core.prototxt.lines import Lines
from caffelite.proto.caffe_pb2 import ConvolutionParameter, NetParameter

HOLES = ("hole", "hole_h", "hole_w")


def _with_holes(param: NetParameter) -> Iterator[tuple[int, list[str]]]:
    for index, layer in enumerate(param.layer):
        given = [name for name in HOLES if layer.convolution_param.HasField(name)]
        if given:
            yield index, given


def needs_holes_upgrade(param: NetParameter) -> bool:
    """Return whether a convolution has holes."""
    return any(True for _ in _with_holes(param))


def upgrade_holes(param: NetParameter, lines: Lines) -> Upgraded:
    """Return the net with dilation in place of hole, or of hole_h and hole_w.

    Raises PrototxtError for one of hole_h and hole_w, for them beside hole, and for either beside dilation.
    """
    upgraded = NetParameter()
    upgraded.CopyFrom(param)
    moves: Moves = {}
    for index, given in _with_holes(param):
        convolution, path = upgraded.layer[index].convolution_param, f"layer[{index}].convolution_param"
        if given not in (["hole"], ["hole_h", "hole_w"]) or convolution.dilation:
            raise PrototxtError(
                f'{lines.where(f"{path}.{given[0]}")}layer "{param.layer[index].name}": {_values(convolution, given)}; '
                "write hole, or both hole_h and hole_w, or dilation, which is the same"
            )
        convolution.dilation.extend(getattr(convolution, name) for name in given)
        for at, name in enumerate(given):
            convolution.ClearField(name)
            moves[f"{path}.{name}"] = f"{path}.dilation[{at}]"
    return Upgraded(upgraded, lines.moved(moves))


def _values(convolution: ConvolutionParameter, given: list[str]) -> str:
    values = [f"{name} is {getattr(convolution, name)}" for name in given]
    return ", ".join(values + [f"dilation is {value}" for value in convolution.dilation])
