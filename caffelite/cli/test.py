"""`caffelite test`: score trained weights. Source: tools/caffe.cpp, test()."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.options import (
    GPU,
    ITERATIONS,
    LEVEL,
    MODEL,
    NO_PYTHON_LAYERS,
    STAGE,
    WEIGHTS,
    at_least,
    require_files,
    required,
    stages,
    use_cpu,
)
from caffelite.core.format import number

if TYPE_CHECKING:
    from caffelite.pycaffe import Net

LOGGER = logging.getLogger("caffelite")


@command(
    "test",
    "score trained weights",
    flags=(MODEL, WEIGHTS, ITERATIONS, LEVEL, STAGE, NO_PYTHON_LAYERS, GPU),
    result_is_log=True,
    file=MODEL,
    flag_help={
        ITERATIONS: "How many batches to score, of the net's batch_size each. Default: 50.",
        WEIGHTS: "The weights to score, one caffemodel; each layer takes those of its name.",
    },
)
def test(arguments: Arguments) -> None:
    """Run a net in phase TEST and print its outputs for each batch, then their means.

    FILE is the same as --model=FILE.
    """
    model = required(arguments, MODEL, "Need a model definition to score")
    weights = required(arguments, WEIGHTS, "Need model weights to score")
    require_files(arguments, WEIGHTS)
    iterations = at_least(arguments, ITERATIONS, 0)
    with glog.setting_up():
        use_cpu(arguments)
    from caffelite.proto import caffe_pb2
    from caffelite.pycaffe import Net

    with glog.setting_up():
        net = Net(
            model,
            caffe_pb2.TEST,
            level=arguments[LEVEL],
            stages=stages(arguments),
            python_layers=not arguments[NO_PYTHON_LAYERS],
        )
    try:
        with glog.setting_up():
            net.copy_from(weights)
        LOGGER.info("Running for %d iterations.", iterations)
        _score(net, iterations)
    finally:
        net.close()


def _score(net: Net, iterations: int) -> None:
    import numpy as np

    from caffelite.core.solver.nan_watch import warn_of_bad_output

    total_loss = 0.0
    totals: list[Any] = []
    for batch in range(iterations):
        net.context.passes = batch
        total_loss += net.forward_pass()
        warn_of_bad_output(net)
        values = net.output_values()
        for name, _, output in values:
            for value in output:
                LOGGER.info("Batch %d, %s = %s", batch, name, number(value))
        if not totals:
            totals = [0.0] * len(values)
        with np.errstate(invalid="ignore"):  # inf - inf is nan, of which the user was warned
            totals = [total + output for total, (_, _, output) in zip(totals, values, strict=True)]
    # 0 / 0 is negative in Caffe
    LOGGER.info("Loss: %s", number(total_loss / iterations) if iterations else "-nan")
    for (name, weight, _), total in zip(net.output_values(), totals, strict=bool(iterations)):
        for value in total / iterations:
            note = f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""
            LOGGER.info("%s = %s%s", name, number(value), note)
