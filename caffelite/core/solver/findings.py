"""What keeps a solver from learning, found before its first iteration: Caffe trains for hours and says nothing.

A finding is an error where the file can only be a mistake, a warning where somebody may mean it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from caffelite.core.blob import Blob
from caffelite.core.errors import SolverError
from caffelite.core.layer import Layer
from caffelite.core.net.net import Net
from caffelite.core.prototxt.lines import where
from caffelite.core.solver.file import SolverFile

log = logging.getLogger("caffelite")

ERROR, WARNING = "error", "warning"


class Finding(NamedTuple):
    """One problem: severity ERROR or WARNING, `file:12: ` or "", and what is wrong and what to write."""

    severity: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}{self.text}"


def findings(file: SolverFile, net: Net) -> list[Finding]:
    """Return all problems of a solver and its training net, whose parameters have the values to begin with."""
    return [*findings_of_file(file), *findings_of_net(net)]


def findings_of_file(file: SolverFile) -> list[Finding]:
    """Return the problems that lie in the solver's own fields."""
    return [*_of_numbers(file), *_of_rate(file), *_of_momentum(file), *_of_decay(file), *_of_clipping(file)]


def findings_of_net(net: Net) -> list[Finding]:
    """Return what keeps a net from learning, whatever the solver; its parameters have their first values."""
    return [*_of_loss(net), *_of_lr_mults(net), *zero_weights(net)]


def tell_findings(file: SolverFile, net: Net) -> None:
    """Log the warnings; SolverError with all the errors, one a line, if there are any."""
    found = findings(file, net)
    for finding in found:
        if finding.severity == WARNING:
            log.warning("%s", finding)
    errors = [str(finding) for finding in found if finding.severity == ERROR]
    if errors:
        raise SolverError("\n".join(errors))


def _finding(file: SolverFile, severity: str, field: str, value: object, text: str) -> Finding:
    return Finding(severity, file.where(field), f"{field} is {value}; {text}")


def _of_numbers(file: SolverFile) -> Iterator[Finding]:
    for field, value in file.param.ListFields():
        if isinstance(value, float) and not math.isfinite(value):
            yield _finding(file, ERROR, field.name, f"{value:g}", "write a number")


def _of_rate(file: SolverFile) -> Iterator[Finding]:
    param = file.param
    if param.lr_policy == "pieces":
        if param.HasField("base_lr"):
            text = 'lr_policy "pieces" does not use it: the rates are those of lr_piece'
            yield _finding(file, WARNING, "base_lr", f"{param.base_lr:g}", text)
    elif not param.HasField("base_lr"):
        yield _finding(file, ERROR, "base_lr", "missing", "without it nothing is learned: write one, such as 0.01")
    elif param.base_lr == 0:
        yield _finding(file, WARNING, "base_lr", 0, "no parameter will change")
    elif param.base_lr < 0:
        yield _finding(
            file, WARNING, "base_lr", f"{param.base_lr:g}", "the loss is made larger instead of smaller; remove the -"
        )
    policy = f'with lr_policy "{param.lr_policy}"'
    if param.lr_policy == "multistep":
        yield from _of_stepvalues(file, policy)
    for field in _CONSTANT_WITHOUT.get(param.lr_policy, ()):
        if getattr(param, field) == 0:
            rate = "base_lr / 2" if param.lr_policy == "sigmoid" else "base_lr"
            yield _finding(
                file, WARNING, field, _value(param, field), f"{policy} the learning rate then stays at {rate}"
            )
    yield from _of_gamma(file, policy)
    yield from _of_our_fields(file)


# Fields without which a policy gives the same rate in all iterations. What it cannot do without is refused earlier.
_CONSTANT_WITHOUT = {"inv": ("gamma", "power"), "poly": ("power",), "sigmoid": ("gamma",)}


def _value(param: Any, field: str) -> str:
    return "0" if param.HasField(field) else "missing"


def _of_our_fields(file: SolverFile) -> Iterator[Finding]:
    """Find fields of the learning rate that its policy does not look at, and those that never get to work."""
    param = file.param
    for field, policy in (("lr_plateau", "plateau"), ("lr_piece", "pieces")):
        given = param.HasField("lr_plateau") if field == "lr_plateau" else bool(param.lr_piece)
        if given and param.lr_policy != policy:
            yield _finding(file, WARNING, field, "given", f'it is without effect; write lr_policy: "{policy}"')
    if param.lr_policy == "plateau" and param.lr_plateau.min_lr >= param.base_lr > 0:
        text = f"base_lr is {param.base_lr:g}, and the learning rate is never lowered"
        yield _finding(file, WARNING, "lr_plateau.min_lr", f"{param.lr_plateau.min_lr:g}", text)
    if param.HasField("lr_warmup") and param.HasField("max_iter") and param.lr_warmup.iterations > param.max_iter:
        text = f"max_iter is {param.max_iter}, and the learning rate never gets to its full value"
        yield _finding(file, WARNING, "lr_warmup.iterations", param.lr_warmup.iterations, text)


def _of_stepvalues(file: SolverFile, policy: str) -> Iterator[Finding]:
    values = list(file.param.stepvalue)
    if not values:
        yield _finding(
            file, WARNING, "stepvalue", "missing", f"{policy} the learning rate then stays at base_lr; write iterations"
        )
    for index, (before, after) in enumerate(pairwise(values), start=1):
        if after < before:
            text = f"{policy} the values must rise, and the one before it is {before}"
            yield _finding(file, ERROR, f"stepvalue[{index}]", after, text)


def _of_gamma(file: SolverFile, policy: str) -> Iterator[Finding]:
    """Find a gamma of 0, whose powers are 0: the rate is 0 from an iteration on."""
    param = file.param
    starts = {"step": param.stepsize, "exp": 1, "multistep": min(param.stepvalue, default=None)}
    start = starts.get(param.lr_policy)
    if param.gamma or start is None or (param.HasField("max_iter") and start >= param.max_iter):
        return
    mistaken = not param.HasField("gamma") and param.HasField("max_iter")
    text = f"{policy} the learning rate is 0 from iteration {start} on; write a factor, such as gamma: 0.1"
    yield _finding(file, ERROR if mistaken else WARNING, "gamma", _value(param, "gamma"), text)


def _of_momentum(file: SolverFile) -> Iterator[Finding]:
    momentum = file.param.momentum
    if momentum >= 1:
        text = "the updates never fade, they grow; use a share from 0 to less than 1, such as 0.9"
        yield _finding(file, ERROR if momentum > 1 else WARNING, "momentum", f"{momentum:g}", text)
    elif momentum < 0:
        text = "each update is turned against the one before; use a share from 0 to less than 1, such as 0.9"
        yield _finding(file, WARNING, "momentum", f"{momentum:g}", text)


def _of_decay(file: SolverFile) -> Iterator[Finding]:
    decay = file.param.weight_decay
    if decay < 0:
        yield _finding(file, WARNING, "weight_decay", f"{decay:g}", "weights are made larger; remove the -")


def _of_clipping(file: SolverFile) -> Iterator[Finding]:
    if file.param.clip_gradients == 0:
        yield _finding(
            file, WARNING, "clip_gradients", 0, "all gradients are clipped to 0; write the largest norm, or remove it"
        )


def _of_loss(net: Net) -> Iterator[Finding]:
    steps = net.plan.layer_steps
    if not any(any(step.loss_weights) for step in steps):
        text = "no layer of the training net is a loss, so there are no gradients"
        yield Finding(
            WARNING, _file_of(net), f"{text}; add one, such as SoftmaxWithLoss, or write loss_weight: 1 in a layer"
        )
    elif not net.learnable_params:
        yield Finding(WARNING, _file_of(net), "the training net has no parameters: there is nothing to learn")
    elif _learns(net) and not any(step.need_backward and step.layer.blobs for step in steps):
        text = "no loss of the training net depends on a parameter, so none gets a gradient"
        yield Finding(WARNING, _file_of(net), f"{text}; look at the bottoms of the losses and at propagate_down")


def _file_of(net: Net) -> str:
    place = next((layer.place for layer in net.core_layers if layer.place is not None), None)
    return "" if place is None else f"{place.lines.file}: "


def _learns(net: Net) -> bool:
    return any(param.lr_mult for param in net.learnable_params)


def _of_lr_mults(net: Net) -> Iterator[Finding]:
    if net.learnable_params and not _learns(net):
        first = net.learnable_params[0].layer_name
        place = next(layer for layer in net.core_layers if layer.name == first).place
        yield Finding(WARNING, where(place, "param"), "every lr_mult of the training net is 0: nothing is learned")


def zero_weights(net: Net) -> Iterator[Finding]:
    """Yield a warning for each layer whose weights are 0 and have no filler that says so."""
    owned = {id(param.blob) for param in net.learnable_params}
    for layer in net.core_layers:
        message = _message_without_filler(layer)
        weights = [blob for blob in layer.blobs if blob.num_axes > 1 and id(blob) in owned] if message else []
        if any(_is_zero(blob) for blob in weights):
            yield Finding(
                WARNING,
                where(layer.place, f"{message}.weight_filler"),
                f'layer "{layer.name}" ({layer.type}): its weights begin as 0, since neither a filler nor a file gives '
                f'them values: write {message} {{ weight_filler {{ type: "xavier" }} }}; '
                'if 0 is meant: { type: "constant" value: 0 }',
            )


def _message_without_filler(layer: Layer) -> str:
    """Return the message whose weight_filler leaves weights at 0 without saying so; "" if there is none."""
    for message in layer.messages or ():
        param: Any = getattr(layer.layer_param, message)
        if "weight_filler" in param.DESCRIPTOR.fields_by_name:
            filler = param.weight_filler
            return message if filler.type == "constant" and not filler.HasField("value") else ""
    return ""


def _is_zero(blob: Blob) -> bool:
    return not blob.data.any()
