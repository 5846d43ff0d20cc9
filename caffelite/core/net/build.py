"""From a draft to steps: filter, split, wire, set up each layer, find out what runs backward, share parameters.

Source: src/caffe/net.cpp, Net::Init. The log lines are Caffe's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from caffelite.core import container
from caffelite.core.arena import Arena, LearnableParam
from caffelite.core.blob import Blob
from caffelite.core.errors import CaffeliteError, LayerError, NetError
from caffelite.core.format import message_text, number, shape_string
from caffelite.core.layer import (
    Context,
    check_own_fields,
    layer_class_for,
    layer_type_list,
    make_layer,
    setup_layer,
    unread_own_fields,
)
from caffelite.core.net import forecast
from caffelite.core.net.plan import LayerStep, Plan, final_after, with_location
from caffelite.core.net.top_memory import BottomCopy, KeptTop, LossDiff, OwnMemory
from caffelite.core.net.wiring.backward import LayerFlow, backward_needs
from caffelite.core.net.wiring.bottoms import shapeless_source
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.net.wiring.fork_fields import fields_without_effect, refuse_fork_fields
from caffelite.core.net.wiring.forks_taken import forks_taken
from caffelite.core.net.wiring.in_place import LayerMemory, in_place_copies
from caffelite.core.net.wiring.layer_types import check_types
from caffelite.core.net.wiring.sharing import LayerParams, Sharing, equal_names, lr_mults_of, share_params
from caffelite.core.net.wiring.splits import insert_splits
from caffelite.core.net.wiring.state import with_phase
from caffelite.core.net.wiring.unread import unread
from caffelite.core.net.wiring.wire import Wiring, wire
from caffelite.core.prototxt import lines
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")


@dataclass
class Built:
    """A net ready to run: its layers' messages, how blobs are wired, the plan, and the parameters in their arena."""

    draft: Draft
    wiring: Wiring
    blobs: list[Blob]
    plan: Plan
    inserted: frozenset[int]  # which layers are Splits that the wiring added
    sharing: Sharing
    learnable_params: list[LearnableParam]
    arena: Arena


def build(draft: Draft, context: Context) -> Built:
    """Build the net whose state is `draft.param.state`; a CaffeliteError says what does not fit."""
    draft = filter_net(draft, log.info)
    if log.isEnabledFor(logging.INFO):
        log.info("Initializing net from parameters: \n%s", message_text(draft.message()))
    check_types(draft, layer_type_list())
    _check_fields_known(draft)
    refuse_fork_fields(draft)
    _tell(fields_without_effect(draft), context)
    _tell(unread(draft), context)
    for text in forks_taken(draft):
        _once(log.info, text, context)
    written = {layer.name for layer in draft.layers}
    draft = insert_splits(draft, _default_loss_weights)
    inserted = frozenset(index for index, layer in enumerate(draft.layers) if layer.name not in written)
    wiring = wire(draft, lambda layer: layer_class_for(layer).is_input, _tops_needed)
    blobs = [Blob(dtype=context.dtype) for _ in wiring.blob_names]
    budget = context.budget = context.budget or container.Budget()
    with forecast.building(draft):
        steps = _set_up_steps(draft, wiring, blobs, context, budget)
    _find_backward(draft, wiring, steps)
    _protect_from_in_place(wiring, steps)
    budget.take(_bytes_of(blob for step in steps if step.need_backward for blob in step.top), "the net")
    context.budget = None
    sharing = _share(steps, context)
    params = _learnable_params(sharing, steps)
    arena = Arena(params, context.dtype)
    _view_owners(sharing, steps)
    for step in steps:
        step.layer.blobs.closed = True
    for blob_id in wiring.output_ids:
        log.info("This network produces output %s", wiring.blob_names[blob_id])
    log.info("Network initialization done.")
    owners = [sharing.positions[number_][0] for number_ in sharing.learnable]
    final = final_after(owners, [param.offset for param in params], arena.diff.size, len(steps))
    plan = Plan(steps, final, [diff for step in steps for diff in step.loss_diffs])
    return Built(draft, wiring, blobs, plan, inserted, sharing, params, arena)


def _check_fields_known(draft: Draft) -> None:
    """Raise LayerError for a layer of a known type, none of whose classes takes its fields."""
    for layer, place in zip(draft.layers, draft.places, strict=True):
        try:
            check_own_fields(layer_class_for(layer), layer)
        except LayerError as err:
            raise with_location(err, layer, place) from None


def _tell(warnings: Iterable[str], context: Context) -> None:
    for text in warnings:
        _once(log.warning, text, context)


def _once(tell: Callable[..., None], text: str, context: Context) -> None:
    """Log what was not yet told of the file, by any net that a solver makes of it."""
    if text not in context.told:
        context.told.add(text)
        tell("%s", text)


def _default_loss_weights(layer_param: caffe_pb2.LayerParameter) -> list[float]:
    return layer_class_for(layer_param).default_loss_weights(layer_param)


def _tops_needed(layer_param: caffe_pb2.LayerParameter) -> int:
    layer_class = layer_class_for(layer_param)
    if not layer_class.auto_top_blobs:
        return 0
    return layer_class.exact_num_top_blobs or layer_class.min_top_blobs or 0


def _set_up_steps(
    draft: Draft, wiring: Wiring, blobs: list[Blob], context: Context, budget: container.Budget
) -> list[LayerStep]:
    steps: list[LayerStep] = []
    elements = 0
    for index, message in enumerate(draft.layers):
        log.info("Creating layer %s", message.name)
        log.info("Creating Layer %s", message.name)
        _log_wires(wiring, index, message.name)
        # a copy, since set-up may change it: default loss weights, BatchNorm's param entries
        own = with_phase(message, draft.param.state)
        step = _set_up(draft, index, own, context, wiring, blobs)
        for blob, weight in zip(step.top, step.loss_weights, strict=True):
            log.info("Top shape: %s", shape_string(blob.shape))
            if weight:
                log.info("    with loss weight %s", number(weight))
            elements += blob.count
        log.info("Memory required for data: %d", elements * context.dtype.itemsize)
        steps.append(step)
        _take_layer(budget, step)
    return steps


def _log_wires(wiring: Wiring, index: int, name: str) -> None:
    bottom_ids = wiring.bottom_ids[index]
    for blob_id in bottom_ids:
        log.info("%s <- %s", name, wiring.blob_names[blob_id])
    for blob_id in wiring.top_ids[index]:
        log.info("%s -> %s%s", name, wiring.blob_names[blob_id], " (in-place)" if blob_id in bottom_ids else "")


def _set_up(
    draft: Draft,
    index: int,
    own: caffe_pb2.LayerParameter,
    context: Context,
    wiring: Wiring,
    blobs: list[Blob],
) -> LayerStep:
    """Make the layer, set it up, and give its weighted tops their weights."""
    place = draft.places[index]
    try:
        layer = make_layer(own, context, place)
    except (CaffeliteError, MemoryError) as err:
        raise with_location(err, own, place) from err.__cause__
    bottom = [blobs[i] for i in wiring.bottom_ids[index]]
    top = [blobs[i] for i in wiring.top_ids[index]]
    step = LayerStep(layer, bottom, top)
    if not layer.handles_in_place:
        step.bottom_copies = {i: BottomCopy(blob) for i, blob in enumerate(bottom) if blob in top}
        step.bottom = [step.bottom_copies[i].blob if i in step.bottom_copies else blob for i, blob in enumerate(bottom)]
    try:
        log.info("Setting up %s", own.name)
        setup_layer(layer, step.bottom, top)
        for copy in step.bottom_copies.values():
            copy.check()
        step.loss_weights = _loss_weights(own, layer.default_loss_weights(own), len(top))
    except (CaffeliteError, MemoryError) as err:
        if isinstance(err, LayerError) and (cause := _shapeless_source(draft, index, wiring, blobs)):
            err.fix += f"; {cause}"
        raise with_location(err, own, place) from err.__cause__
    for path, advice in unread_own_fields(layer):
        _tell([f'{lines.where(place, path)}layer "{own.name}" ({own.type}): {path} has no effect; {advice}'], context)
    weighted = [blob for blob, weight in zip(top, step.loss_weights, strict=True) if weight]
    step.loss_diffs = [LossDiff(blob) for blob in weighted if blob in bottom]
    step.note_shapes()
    return step


def _shapeless_source(draft: Draft, index: int, wiring: Wiring, blobs: list[Blob]) -> str:
    named = zip(wiring.blob_names, blobs, strict=True)
    return shapeless_source(draft, index, {name for name, blob in named if not blob.shape and not blob.count})


def _loss_weights(own: caffe_pb2.LayerParameter, defaults: Sequence[float], num_tops: int) -> list[float]:
    """Return one loss weight a top; a loss layer's implied weight is written into its own message, as Caffe does."""
    if not own.loss_weight and defaults:
        own.loss_weight.extend([*defaults, *[0.0] * (num_tops - len(defaults))])
    if own.loss_weight and len(own.loss_weight) != num_tops:
        raise LayerError(
            "loss_weight",
            f"given {len(own.loss_weight)} times",
            f"loss_weight must be unspecified or specified once per top blob. This layer has {num_tops}",
        )
    return list(own.loss_weight) or [0.0] * num_tops


def _find_backward(draft: Draft, wiring: Wiring, steps: list[LayerStep]) -> None:
    flows = [
        LayerFlow(
            wiring.bottom_ids[index],
            wiring.top_ids[index],
            tuple(step.loss_weights),
            tuple(draft.layers[index].propagate_down),
            lr_mults_of(draft.layers[index], len(step.layer.blobs)),
            tuple(step.layer.has_backward and step.layer.allow_force_backward(i) for i in range(len(step.bottom))),
        )
        for index, step in enumerate(steps)
    ]
    needs = backward_needs(flows, draft.param.force_backward)
    for index, step in enumerate(steps):
        runs = step.layer.has_backward or any(needs.bottoms[index])
        # in place, a layer without a gradient has to say that it is 0: else that of its top is taken for it
        step.need_backward = needs.layers[index] and (runs or bool(step.bottom_copies))
        step.layer.need_backward = step.need_backward
        step.propagate_down = list(needs.bottoms[index])
        step.layer.param_propagate_down = list(needs.params[index])
    for step in reversed(steps):
        verb = "needs" if step.need_backward else "does not need"
        log.info("%s %s backward computation.", step.layer.name, verb)


def _protect_from_in_place(wiring: Wiring, steps: list[LayerStep]) -> None:
    """Let tops be copied where an in-place layer would overwrite what somebody still needs."""
    copies = in_place_copies(
        [
            LayerMemory(
                wiring.bottom_ids[index],
                wiring.top_ids[index],
                tuple(step.layer.top_memory(top_index) for top_index in range(len(step.top))),
                tuple(range(len(step.bottom))) if step.need_backward and step.layer.gradient_reads_bottoms else (),
                step.layer.gradient_reads_tops() if step.need_backward else (),
            )
            for index, step in enumerate(steps)
        ]
    )
    for step, own, kept in zip(steps, copies.own, copies.kept, strict=True):
        step.own_memory = [OwnMemory(step.top[index]) for index in own]
        step.kept_tops = [KeptTop(step.top[index]) for index in kept]


def _bytes_of(blobs: Iterable[Blob]) -> int:
    return sum(blob.count * blob.dtype.itemsize for blob in {id(blob): blob for blob in blobs}.values())


def _take_layer(budget: container.Budget, step: LayerStep) -> None:
    """Refuse a net whose blobs do not fit; their pages are not taken yet, so the system would not say so."""
    made = [blob for blob in step.top if all(blob is not other for other in step.bottom)]
    needed = _bytes_of(made) + 2 * _bytes_of(step.layer.blobs)  # parameters and their gradients
    try:
        budget.take(needed, "the net up to this layer")
    except NetError as err:
        raise with_location(err, step.layer.layer_param, step.layer.place) from None


def _share(steps: list[LayerStep], context: Context) -> Sharing:
    layers = [
        LayerParams(
            step.layer.name,
            tuple(blob.shape for blob in step.layer.blobs),
            step.layer.layer_param.param,
            step.layer.place,
        )
        for step in steps
    ]
    sharing = share_params(layers)
    for note in sharing.notes:
        log.info(note)
    _tell(equal_names(layers, sharing), context)
    return sharing


def _learnable_params(sharing: Sharing, steps: list[LayerStep]) -> list[LearnableParam]:
    params = []
    for number_, lr_mult, decay_mult in zip(sharing.learnable, sharing.lr_mults, sharing.decay_mults, strict=True):
        layer_index, blob_index = sharing.positions[number_]
        layer = steps[layer_index].layer
        params.append(LearnableParam(layer.blobs[blob_index], lr_mult, decay_mult, layer.name, blob_index))
    return params


def _view_owners(sharing: Sharing, steps: list[LayerStep]) -> None:
    """Let parameters that share a name with an earlier one use its values and gradients."""
    blobs = [steps[layer].layer.blobs[index] for layer, index in sharing.positions]
    for blob, owner in zip(blobs, sharing.owners, strict=True):
        if blob is not blobs[owner]:
            blob.share_data(blobs[owner])
            blob.share_diff(blobs[owner])
