"""Net: the engine, layers wired by their blobs and run forward and backward. Source: src/caffe/net.cpp.

What users see is the class of the same name in caffelite/pycaffe.py, on top of this one.
"""

from __future__ import annotations

from functools import cached_property
from typing import NoReturn, SupportsIndex, TypeVar

from caffelite.core.blob import Array, Blob
from caffelite.core.errors import CopyError, NetError, UsageError
from caffelite.core.fixed import fixed_property
from caffelite.core.layer import Context, Layer, State
from caffelite.core.net import forecast
from caffelite.core.net.build import build
from caffelite.core.net.debug_info import DebugInfo, Names, log_norms
from caffelite.core.net.graph import Graph, graph_of
from caffelite.core.net.plan import Naming
from caffelite.core.net.share_layers import share_trained_layers
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.user_layers import checked_state, described, is_ours
from caffelite.core.weights.match import NetLayer, distinct

Phase = int
N = TypeVar("N", bound="Net")


class Net:
    """A net of one phase, ready to run: `draft` has its layers and its state, `context` what they share.

    With `debug_info` each pass logs mean absolute values, layer by layer.
    Raises NetError or LayerError with file and line for a net that cannot work.
    """

    def __init__(self, draft: Draft, context: Context) -> None:
        built = build(draft, context)
        self.context = context
        self.name: str = built.draft.param.name
        self.phase: Phase = built.draft.param.state.phase
        self.learnable_params = built.learnable_params
        self.arena = built.arena
        self.plan = built.plan
        self._wiring = built.wiring
        self._inserted = built.inserted
        self._sharing = built.sharing
        self._blob_list = built.blobs
        self._force_backward = built.draft.param.force_backward
        self.debug_info = built.draft.param.debug_info
        forecast.note_net(self)

    @classmethod
    def from_draft(cls: type[N], draft: Draft, context: Context) -> N:
        """Return the net of a draft whose state is final, also of a subclass that is made otherwise."""
        net = cls.__new__(cls)
        Net.__init__(net, draft, context)
        return net

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be copied or pickled: layers view the net's blobs, and hold files, threads and objects of users."""
        raise CopyError(
            'a Net cannot be copied or pickled: keep its weights, net.save("w.caffemodel"), and make another from the '
            'same file, Net(file, phase, weights="w.caffemodel"), or keep copy.deepcopy(net.params) in memory'
        )

    # What the net is made of

    @cached_property
    def core_layers(self) -> list[Layer]:
        """All layers in order, inserted Split layers among them, as the net runs them."""
        return [step.layer for step in self.plan.layer_steps]

    @cached_property
    def layer_names(self) -> list[str]:
        """Names of the layers, in order."""
        return [layer.name for layer in self.core_layers]

    @cached_property
    def blob_names(self) -> list[str]:
        """Names of the blobs, in order."""
        return list(self._wiring.blob_names)

    @fixed_property
    def inputs(self) -> list[str]:
        """Names of the blobs that the user fills: the tops of Input layers."""
        return [self._wiring.blob_names[i] for i in self._wiring.input_ids]

    @fixed_property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads, sorted."""
        return [self._wiring.blob_names[i] for i in self._wiring.output_ids]

    @cached_property
    def _loss_weights(self) -> dict[int, float]:
        return {
            blob_id: weight
            for step, ids in zip(self.plan.layer_steps, self._wiring.top_ids, strict=True)
            for blob_id, weight in zip(ids, step.loss_weights, strict=True)
        }

    @cached_property
    def layer_need_backward(self) -> list[bool]:
        """Whether a backward pass runs each layer."""
        return [step.need_backward for step in self.plan.layer_steps]

    @cached_property
    def bottom_need_backward(self) -> list[list[bool]]:
        """For each layer, which bottoms get a gradient."""
        return [step.propagate_down for step in self.plan.layer_steps]

    def bottoms(self, index: int) -> list[tuple[str, Blob]]:
        """Return names and blobs of the bottoms of layer `index`; looking here pins nothing."""
        return [(self._wiring.blob_names[i], self._blob_list[i]) for i in self._wiring.bottom_ids[index]]

    def tops(self, index: int) -> list[tuple[str, Blob]]:
        """Return names and blobs of the tops of layer `index`; looking here pins nothing."""
        return [(self._wiring.blob_names[i], self._blob_list[i]) for i in self._wiring.top_ids[index]]

    def param_names(self, index: int) -> list[str]:
        """Return the name of each parameter of layer `index`, or its number where it has none."""
        names = zip(self._sharing.positions, self._sharing.display_names, strict=True)
        return [name for (layer, _), name in names if layer == index]

    def owns_param(self, index: int, number: int) -> bool:
        """Return whether parameter `number` of layer `index` has values of its own, shared with no earlier layer."""
        param = self._sharing.positions.index((index, number))
        return self._sharing.owners[param] == param

    def weight_layers(self) -> list[NetLayer]:
        """Return the layers as weight files know them."""
        return [
            NetLayer(
                layer.name,
                layer.blobs,
                self._owned(index, layer),
                layer.layer_param,
                layer.place,
                layer.advice_for_blobs,
            )
            for index, layer in enumerate(self.core_layers)
        ]

    def _owned(self, index: int, layer: Layer) -> list[bool]:
        return [self.owns_param(index, number) for number in range(len(layer.blobs))]

    def output_values(self) -> list[tuple[str, float, Array]]:
        """Return name, loss weight and flat values (a view) of each output, in the order of `outputs`."""
        return [
            (self._wiring.blob_names[i], self._loss_weights.get(i, 0.0), self._blob_list[i].data.reshape(-1))
            for i in self._wiring.output_ids
        ]

    def graph(self, with_inserted: bool = False) -> Graph:
        """Return the layers, their present shapes and costs, and the blobs between them.

        The Splits that the wiring added are left out, so that the graph is what the user wrote, unless `with_inserted`.
        """
        return graph_of(self.plan.layer_steps, self._wiring, () if with_inserted else self._inserted)

    @property
    def debug_info(self) -> bool:
        """Whether passes log what they compute."""
        return any(isinstance(observer, DebugInfo) for observer in self.plan.observers)

    @debug_info.setter
    def debug_info(self, on: bool) -> None:
        if on == self.debug_info:
            return
        others = [observer for observer in self.plan.observers if not isinstance(observer, DebugInfo)]
        # in front: the callbacks of a layer come after its lines
        self.plan.observers[:] = [self._debug_info(), *others] if on else others

    def _debug_info(self) -> DebugInfo:
        names = self._wiring.blob_names
        wires = zip(self._wiring.bottom_ids, self._wiring.top_ids, strict=True)
        return DebugInfo(
            self.plan.layer_steps,
            [
                Names([names[i] for i in bottom_ids], [names[i] for i in top_ids], self.param_names(index))
                for index, (bottom_ids, top_ids) in enumerate(wires)
            ],
        )

    # Running

    def forward_pass(self) -> float:
        """Run all layers; return the total loss: the sum of loss weight x value over all weighted tops."""
        if not self.plan.layer_steps:
            raise NetError(f'net "{self.name}" has no layers in this phase; look at its include and exclude rules')
        return self.forward_from_to(0, len(self.plan.layer_steps) - 1)

    def backward_pass(self) -> None:
        """Run backward all layers that need it. Gradients of parameters add up; see `clear_param_diffs`."""
        self.backward_from_to(len(self.plan.layer_steps) - 1, 0)
        if self.debug_info:
            log_norms(self.arena.data, self.arena.diff)

    def forward_from_to(self, start: int, end: int) -> float:
        """Run layers `start` to `end`, both included; return the sum of their losses."""
        self._check_layer_range(start, end)
        return self.plan.forward(start, end)

    def run_inserted_splits(self, start: int, end: int) -> None:
        """Run the Splits in front of layer `start` that the wiring added and that layers `start` to `end` read.

        A pass that begins behind them, where the user's net has no layer, then reads the present blobs.
        """
        if not start:
            return
        ids = self._wiring.bottom_ids[start : end + 1]
        read = {blob_id for bottom_ids in ids for blob_id in bottom_ids}
        for index in sorted(self._inserted):
            if index < start and read.intersection(self._wiring.top_ids[index]):
                self.plan.layer_steps[index].forward()

    def backward_from_to(self, start: int, end: int) -> None:
        """Run backward layers `start` down to `end`, both included, those that need it."""
        self._check_layer_range(end, start)
        self.plan.backward(end, start)

    def _check_layer_range(self, first: int, last: int) -> None:
        count = len(self.plan.layer_steps)
        if first < 0 or last >= count:
            raise UsageError(f'layers {first} to {last}: net "{self.name}" has layers 0 to {count - 1}')

    def reshape(self) -> None:
        """Let every layer shape its tops, without computing."""
        for step in self.plan.layer_steps:
            step.reshape()

    def clear_param_diffs(self) -> None:
        """Set the gradients of all learnable parameters to zero."""
        self.arena.diff.fill(0)

    # Parameters and state

    def share_trained_layers_with(self, other: Net, log_ignored: bool = True) -> None:
        """Let the parameters' values be those of `other`'s layers of the same names; gradients stay separate.

        Layers that are only in `other` are logged, unless told otherwise.
        """
        share_trained_layers(self.core_layers, other.core_layers, log_ignored)

    def layers_by_name(self) -> dict[str, Layer]:
        """Return the layers by their names; of equal names all but the last have a number behind it, as `lstm (1)`."""
        return dict(zip(distinct(self.layer_names), self.core_layers, strict=True))

    def get_state(self) -> dict[str, State]:
        """Return, by layer name, what layers keep between passes besides their blobs: positions, recurrent state.

        Raises LayerError for a layer of the user's that keeps what no snapshot can hold.
        """
        states = {name: state_of(layer) for name, layer in self.layers_by_name().items()}
        return {name: state for name, state in states.items() if state}

    def set_state(self, states: dict[str, State]) -> None:
        """Take up the states that `get_state` of a net with these layers returned."""
        by_name = self.layers_by_name()
        for name, state in states.items():
            if name not in by_name:
                raise NetError(f'the state is of another net: this one has no layer "{name}"')
            with Naming(by_name[name], "set_state"):
                by_name[name].set_state(state)

    def close(self) -> None:
        """Stop reading ahead and give back files; the net is not used afterwards."""
        for layer in self.core_layers:
            layer.close()


def state_of(layer: Layer) -> State:
    """Return what a layer keeps; LayerError for what no snapshot can hold, of a class of another package."""
    with Naming(layer, "get_state"):
        state = layer.get_state()
        return state if is_ours(type(layer)) else checked_state(state, described(type(layer)))
