"""A net for use made from a net for training: what it computes from the data, without what only training needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import Message

from caffelite.core.blob import Shape
from caffelite.core.errors import NetError
from caffelite.core.layer import Context
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.core.net.net import Net
from caffelite.core.net.plan import LayerStep
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.net.without_data import READERS, WEIGHT_FILLERS, without_data, without_fillers
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter

# Losses that compute an output of their own: the type of layer that does it, its usual name, and a message of both.
INFERENCE = {
    "SoftmaxWithLoss": ("Softmax", "prob", "softmax_param"),
    "SigmoidCrossEntropyLoss": ("Sigmoid", "prob", ""),
}
EVALUATION = ("Accuracy", "Silence")
TRAINING_FIELDS = ("param", "include", "exclude", "phase", "loss_weight", "propagate_down", "blobs")


class Deploy(NamedTuple):
    """The net; comments for layers, by their numbers; and what was decided, to be told."""

    net: NetParameter
    comments: dict[int, str]
    notes: list[str]


def deploy(
    draft: Draft, context: Context, shapes: Mapping[str, Sequence[int]] | None = None, batch_size: int = 1
) -> Deploy:
    """Return the net that computes, in `draft.param.state`, what the losses of the net for training are given.

    Images are read in batches of `batch_size`; data need not be there. Raises NetError if nothing is left.
    """
    filtered = filter_net(draft)
    made = without_data(filtered, shapes, context.folder)
    net = Net(without_fillers(made.draft), context)
    steps = [net.plan.layer_steps[node.index] for node in net.graph().nodes]
    return _Deployer(filtered, steps, set(shapes or ()), batch_size).deploy()


@dataclass
class _Deployer:
    draft: Draft
    steps: Sequence[LayerStep]  # one a layer of the draft
    given: set[str]  # blobs whose shapes the user gave
    batch_size: int
    makers: list[list[int]] = field(default_factory=list)  # of each layer's bottoms, the layers that wrote them last
    learned: list[bool] = field(default_factory=list)  # whether a layer's tops depend on parameters
    unread: dict[str, int] = field(default_factory=dict)  # blobs that no layer reads, and who wrote them last
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        last: dict[str, int] = {}
        for index, (layer, step) in enumerate(zip(self.draft.layers, self.steps, strict=True)):
            makers = [last[bottom] for bottom in layer.bottom]
            self.makers.append(makers)
            self.learned.append(bool(step.layer.blobs) or any(self.learned[maker] for maker in makers))
            for bottom in layer.bottom:
                self.unread.pop(bottom, None)
            last.update(dict.fromkeys(layer.top, index))
            self.unread.update(dict.fromkeys(layer.top, index))

    def deploy(self) -> Deploy:
        """Return the net: what leads to its outputs, in the order of the file."""
        losses = self._main_losses()
        ends = {index: self._inference(index) for index in losses}
        needed = self._with_ancestors(self._outputs(losses))
        net = NetParameter(name=self.draft.param.name or None)
        comments: dict[int, str] = {}
        for index, layer in enumerate(self.draft.layers):
            if index in needed:
                first = len(net.layer)
                net.layer.extend(self._for_use(index, needed))
                if comment := _comment(layer):
                    comments[first] = comment
            elif end := ends.get(index):
                net.layer.append(_named_apart(end, net, layer))
        if not net.layer:
            raise NetError(f'net "{self.draft.param.name}": no layer computes anything that could be used')
        return Deploy(net, comments, self.notes)

    def _is_loss(self, index: int) -> bool:
        step = self.steps[index]
        return isinstance(step.layer, LossLayer) or any(step.loss_weights)

    def _main_losses(self) -> list[int]:
        """Return the losses without those that only help in training: another one of their labels weighs more."""
        losses = [index for index in range(len(self.steps)) if self._is_loss(index)]
        main = []
        for index in losses:
            alike = [other for other in losses if self._labels(other) == self._labels(index) != []]
            heaviest = max([index, *alike], key=self._weight)
            if self._weight(heaviest) > self._weight(index):
                name, other = self.draft.layers[index].name, self.draft.layers[heaviest].name
                self.notes.append(
                    f'the loss "{name}", of weight {self._weight(index):g}, is left out with all that only it needs: '
                    f'"{other}" has the same labels, and the weight {self._weight(heaviest):g}'
                )
            else:
                main.append(index)
        return main

    def _weight(self, index: int) -> float:
        return max(self.steps[index].loss_weights, default=0)

    def _labels(self, index: int) -> list[tuple[int, str]]:
        """Return the bottoms of a loss that do not depend on parameters."""
        bottoms = zip(self.makers[index], self.draft.layers[index].bottom, strict=True)
        return [(maker, blob) for maker, blob in bottoms if not self.learned[maker]]

    def _outputs(self, losses: Sequence[int]) -> set[int]:
        """Return the layers whose tops the net is for: learned bottoms of losses, and what nobody reads."""
        found = {maker for index in losses for maker in self.makers[index] if self.learned[maker]}
        for index in self.unread.values():
            is_result = self.draft.layers[index].bottom and not self._is_loss(index)
            if is_result and self.draft.layers[index].type not in EVALUATION:
                found.update([index] if self.learned[index] or not any(self.learned) else [])
        return found

    def _with_ancestors(self, outputs: set[int]) -> set[int]:
        needed = set(outputs)
        for index in reversed(range(len(self.makers))):
            if index in needed:
                needed.update(self.makers[index])
        return needed

    def _inference(self, index: int) -> LayerParameter | None:
        """Return what a loss computes on the way to its value, unless another layer does so; None for most losses."""
        loss = self.draft.layers[index]
        if loss.type not in INFERENCE:
            return None
        layer_type, name, message = INFERENCE[loss.type]
        maker = self.makers[index][0]
        for other, makers in zip(self.draft.layers, self.makers, strict=True):
            if other.type == layer_type and makers == [maker] and list(other.bottom) == [loss.bottom[0]]:
                return None
        end = LayerParameter(name=name, type=layer_type, bottom=[loss.bottom[0]], top=[name])
        if message and loss.HasField(message):
            getattr(end, message).CopyFrom(getattr(loss, message))
        return end

    def _for_use(self, index: int, needed: set[int]) -> Iterator[LayerParameter]:
        """Yield the layer without what is for training; in place of a layer that reads data an Input layer each top."""
        layer, step = self.draft.layers[index], self.steps[index]
        if layer.bottom or not _gives_data(layer):
            yield _without_training(layer)
            return
        for top, blob in zip(layer.top, step.top, strict=True):
            if any((index, top) in self._reads(reader) for reader in needed):
                yield _input_layer(top, self._shape(layer, top, blob.shape))

    def _reads(self, index: int) -> list[tuple[int, str]]:
        return list(zip(self.makers[index], self.draft.layers[index].bottom, strict=True))

    def _shape(self, layer: LayerParameter, top: str, shape: Shape) -> Shape:
        is_batch = (layer.type in READERS or layer.type == "MemoryData") and top not in self.given
        return (self.batch_size, *shape[1:]) if is_batch else shape


def _gives_data(layer: LayerParameter) -> bool:
    """Return whether a layer without bottoms gives what the user will; constants and parameters are the net's own."""
    if layer.type == "DummyData":
        return any(filler.type != "constant" for filler in layer.dummy_data_param.data_filler)
    return layer.type != "Parameter"


def _input_layer(top: str, shape: Shape) -> LayerParameter:
    layer = LayerParameter(name=top, type="Input", top=[top])
    layer.input_param.shape.add(dim=shape)
    return layer


def _without_training(layer: LayerParameter) -> LayerParameter:
    """Return the layer without rules, rates, fillers and weights; names that share parameters stay."""
    used = LayerParameter()
    used.CopyFrom(layer)
    for name in TRAINING_FIELDS:
        used.ClearField(name)
    if any(param.name for param in layer.param):
        for param in layer.param:
            used.param.add(**({"name": param.name} if param.name else {}))
    for known, message in used.ListFields():
        fillers = [name for name in WEIGHT_FILLERS if known.message_type and name in known.message_type.fields_by_name]
        if fillers and isinstance(message, Message):
            for name in fillers:
                message.ClearField(name)
            if not message.ListFields():
                used.ClearField(known.name)
    if used.type == "BatchNorm" and not used.batch_norm_param.HasField("use_global_stats"):
        used.batch_norm_param.use_global_stats = True
    return used


def _named_apart(end: LayerParameter, net: NetParameter, loss: LayerParameter) -> LayerParameter:
    """Return the layer, with the loss's name if its own is taken."""
    taken = {name for layer in net.layer for name in (layer.name, *layer.top)}
    if end.name in taken:
        end.name, end.top[0] = loss.name, loss.name
    return end


def _comment(layer: LayerParameter) -> str:
    """Return what a data layer did to the values it read, which now the user has to do; "" for nothing."""
    transform = layer.transform_param
    words = []
    if transform.mean_value:
        words.append(f"less {', '.join(f'{value:g}' for value in transform.mean_value)} (the means of the channels)")
    if transform.mean_file:
        words.append(f"less the mean in {transform.mean_file}")
    if transform.scale != 1:
        words.append(f"times {transform.scale:g}")
    return f"In training the values were pixels, 0 to 255, {', '.join(words)}." if words else ""
