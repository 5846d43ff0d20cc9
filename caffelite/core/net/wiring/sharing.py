"""Sharing parameters by name: who owns which blob, with which multipliers. Source: src/caffe/net.cpp, AppendParam."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from caffelite.core.errors import NetError
from caffelite.core.format import shape_string
from caffelite.core.prototxt.lines import Place, where
from caffelite.proto.caffe_pb2 import LayerParameter, ParamSpec

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerParams:
    """Parameter blobs of one layer: their shapes, and its `param` entries (after set-up; there may be fewer)."""

    name: str
    shapes: tuple[Shape, ...]
    specs: Sequence[ParamSpec]
    place: Place | None = None


@dataclass(frozen=True)
class Sharing:
    """Parameters of a net, numbered over all layers in order.

    positions: (layer, blob) of each parameter. display_names: its name, or else its index in the layer.
    owners: for each parameter the number of the one whose values it uses; its own number if it shares nobody's.
    learnable: numbers of the owners in order; lr_mults, decay_mults: one for each of these.
    notes: log lines.
    """

    positions: tuple[tuple[int, int], ...]
    display_names: tuple[str, ...]
    owners: tuple[int, ...]
    learnable: tuple[int, ...]
    lr_mults: tuple[float, ...]
    decay_mults: tuple[float, ...]
    notes: tuple[str, ...]


def spec_of(specs: Sequence[ParamSpec], index: int) -> ParamSpec:
    """Return the `param` entry of a parameter blob, or the defaults."""
    return specs[index] if index < len(specs) else ParamSpec()


def lr_mults_of(layer: LayerParameter, count: int) -> tuple[float, ...]:
    """Return the lr_mult of each of the layer's `count` parameter blobs, as its message says."""
    return tuple(spec_of(layer.param, index).lr_mult for index in range(count))


def share_params(layers: Sequence[LayerParams]) -> Sharing:
    """Return who shares whose parameters.

    Raises NetError for more `param` entries than blobs, and for sharers whose shape or multipliers do not fit.
    """
    register = _Register(layers)
    for index, layer in enumerate(layers):
        if len(layer.specs) > len(layer.shapes):
            raise NetError(
                f"{where(layer.place, f'param[{len(layer.shapes)}]')}Too many params specified for layer {layer.name}: "
                f"{len(layer.specs)} param entries for {len(layer.shapes)} parameter blobs"
            )
        for blob in range(len(layer.shapes)):
            register.append(index, blob)
    return register.sharing()


def equal_names(layers: Sequence[LayerParams], sharing: Sharing) -> list[str]:
    """Return a warning for each layer that owns parameters and has the name of an earlier one that owns some."""
    owners: dict[str, LayerParams] = {}
    warnings = []
    for index in sorted({sharing.positions[number][0] for number in sharing.learnable}):
        layer = layers[index]
        earlier = owners.setdefault(layer.name, layer)
        if earlier is not layer:
            there = where(earlier.place).removesuffix(": ")
            warnings.append(
                f'{where(layer.place)}layer "{layer.name}" has parameters, and so has an earlier layer of this name'
                f"{f' ({there})' if there else ''}; Caffe, net.params and other nets find parameters by the layer's "
                "name and mix the two up, so give one of them another name"
            )
    return warnings


@dataclass
class _Multiplier:
    """lr_mult or decay_mult of an owner, and whether somebody wrote it."""

    value: float
    written: bool


@dataclass
class _Register:
    layers: Sequence[LayerParams]
    positions: list[tuple[int, int]] = field(default_factory=list)
    display_names: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)
    multipliers: dict[int, dict[str, _Multiplier]] = field(default_factory=dict)  # by owner, then by field
    notes: list[str] = field(default_factory=list)

    def append(self, layer: int, blob: int) -> None:
        number = len(self.positions)
        spec = spec_of(self.layers[layer].specs, blob)
        self.positions.append((layer, blob))
        self.display_names.append(spec.name or str(blob))
        owner = self.named.setdefault(spec.name, number) if spec.name else number
        self.owners.append(owner)
        if owner == number:
            self.multipliers[number] = {
                "lr_mult": _Multiplier(spec.lr_mult, spec.HasField("lr_mult")),
                "decay_mult": _Multiplier(spec.decay_mult, spec.HasField("decay_mult")),
            }
        else:
            self._share(owner, layer, blob, spec)

    def _share(self, owner: int, layer: int, blob: int, spec: ParamSpec) -> None:
        owner_layer, owner_blob = self.positions[owner]
        name = self.layers[owner_layer].name
        self.notes.append(f"Sharing parameters '{spec.name}' owned by layer '{name}', param index {owner_blob}")
        _check_shapes(self.layers[owner_layer], owner_blob, self.layers[layer], blob, spec)
        for field_name, multiplier in self.multipliers[owner].items():
            if not spec.HasField(field_name):
                continue
            value = getattr(spec, field_name)
            if multiplier.written and multiplier.value != value:
                raise NetError(
                    f"{where(self.layers[layer].place, f'param[{blob}].{field_name}')}"
                    f"Shared param '{spec.name}' has mismatched {field_name}. Layer '{self.layers[layer].name}' says "
                    f"{value:g}, layer '{name}', which owns it, {multiplier.value:g}; write it in one of them only"
                )
            multiplier.value, multiplier.written = value, True

    def sharing(self) -> Sharing:
        return Sharing(
            tuple(self.positions),
            tuple(self.display_names),
            tuple(self.owners),
            tuple(self.multipliers),
            tuple(both["lr_mult"].value for both in self.multipliers.values()),
            tuple(both["decay_mult"].value for both in self.multipliers.values()),
            tuple(self.notes),
        )


def _check_shapes(owner: LayerParams, owner_blob: int, sharer: LayerParams, blob: int, spec: ParamSpec) -> None:
    theirs, ours = owner.shapes[owner_blob], sharer.shapes[blob]
    permissive = spec.share_mode == ParamSpec.PERMISSIVE
    if (prod(theirs) == prod(ours)) if permissive else (theirs == ours):
        return
    what, says = ("count", "shape is") if permissive else ("shape", "expects shape")
    hint = ""
    if not permissive and prod(theirs) == prod(ours):
        hint = ". The counts agree: share_mode: PERMISSIVE would share the values in their order"
    raise NetError(
        f"{where(sharer.place, f'param[{blob}].name')}Cannot share param '{spec.name}' owned by layer '{owner.name}' "
        f"with layer '{sharer.name}'; {what} mismatch.  Owner layer param shape is {shape_string(theirs)}; "
        f"sharing layer {says} {shape_string(ours)}{hint}"
    )
