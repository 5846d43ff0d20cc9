"""A layer whose bottoms are not known, since what makes them cannot be built: what its own fields have wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from caffelite.core.blob import Shape
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.type_names import CONVOLUTIONS
from caffelite.proto.caffe_pb2 import LayerParameter

# An error about a field of the layer's own, as `net.prototxt:4: layer "c" (Pooling): pooling_param.kernel_size is 0`.
_OWN_FIELD = re.compile(r'.*?layer ".*" \(\w+\): (\w+_param)\.', re.DOTALL)
NUMS = (2, 3)
IMAGE_SIDES = ((24, 25), (27, 26))
SMALL_SIDES = ((2, 3), (1, 2))  # for layers that read whole images, whose weights would be many


def errors_alone(draft: Draft, index: int, try_net: Callable[[Draft], list[str]]) -> list[str]:
    """Return the errors that layer `index` has whatever its bottoms are; `try_net` returns those of a net.

    Bottoms of several shapes are tried. Told is what all of these find alike, of fields that the layer has: what
    depends on a shape differs, as it names the shape, or is about a bottom.
    """
    layer = draft.layers[index]
    found: list[str] | None = None
    for shape in _shapes(layer):
        source = LayerParameter(name=f"bottoms of {layer.name}", type="Input", top=list(dict.fromkeys(layer.bottom)))
        source.input_param.shape.add().dim.extend(shape)
        errors = [
            text
            for text in try_net(draft.with_layers([source, layer], [None, draft.places[index]]))
            if (own := _OWN_FIELD.match(text)) and own[1] in layer.DESCRIPTOR.fields_by_name and layer.HasField(own[1])
        ]
        found = errors if found is None else [text for text in found if text in errors]
        if not found:
            break
    return found or []


def _shapes(layer: LayerParameter) -> Iterator[Shape]:
    """Yield shapes of bottoms; of those for a convolution one has an axis more, since it may be 2-d or 3-d."""
    group = max(layer.convolution_param.group, 1)
    sides = SMALL_SIDES if layer.type == "InnerProduct" else IMAGE_SIDES
    for num, (height, width) in zip(NUMS, sides, strict=True):
        yield num, num * group, height, width
    if layer.type in CONVOLUTIONS:
        yield NUMS[0], NUMS[0] * group, 9, *IMAGE_SIDES[0]
