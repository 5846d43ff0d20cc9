"""`caffelite time`: how long each layer takes. Source: tools/caffe.cpp, time()."""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import TYPE_CHECKING

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    DATA_WORKERS,
    GPU,
    ITERATIONS,
    LAYERS,
    LEVEL,
    MODEL,
    NO_PYTHON_LAYERS,
    ON_BAD_RECORD,
    PHASE,
    STAGE,
    at_least,
    data_workers,
    required,
    stages,
    tell_no_reader,
    use_cpu,
)
from caffelite.core.format import number

if TYPE_CHECKING:
    from caffelite.core.net.layer_times import LayerTimes
    from caffelite.pycaffe import Net

LOGGER = logging.getLogger("caffelite")


@command(
    "time",
    "time a net, layer by layer",
    flags=(
        MODEL,
        ITERATIONS,
        PHASE,
        LEVEL,
        STAGE,
        DATA_WORKERS,
        ON_BAD_RECORD,
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
        NO_PYTHON_LAYERS,
        GPU,
    ),
    result_is_log=True,
    file=MODEL,
    flag_help={ITERATIONS: "How many times to run forward and backward, for the average times. Default: 50."},
)
def time(arguments: Arguments) -> None:
    """Run each layer of a net forward and backward, with random weights, and print average times.

    FILE is the same as --model=FILE. For example:

      caffelite time train_val.prototxt --iterations=10
    """
    model = required(arguments, MODEL, "Need a model definition to time")
    iterations = at_least(arguments, ITERATIONS, 1)
    workers = data_workers(arguments)
    with glog.setting_up():
        use_cpu(arguments)
    from caffelite.core.net.layer_times import LayerTimes
    from caffelite.proto import caffe_pb2
    from caffelite.pycaffe import Net

    phase = caffe_pb2.TEST if arguments[PHASE] == "TEST" else caffe_pb2.TRAIN
    with glog.setting_up():
        net = Net(
            model,
            phase,
            level=arguments[LEVEL],
            stages=stages(arguments),
            python_layers=not arguments[NO_PYTHON_LAYERS],
            data_workers=workers,
            on_bad_record=arguments[ON_BAD_RECORD],
        )
        tell_no_reader(arguments, [net])
    try:
        benchmark = Benchmark(net, LayerTimes(len(net.core_layers)))
        benchmark.warm_up()
        benchmark.run(iterations)
    finally:
        net.close()


class Benchmark:
    """Passes of a net that is used for nothing else; `times` looks on, and so the layers run one by one."""

    def __init__(self, net: Net, times: LayerTimes) -> None:
        self.net, self.times = net, times
        net.plan.observers.append(times)
        for step in net.plan.layer_steps:
            step.need_backward = step.layer.has_backward  # as in Caffe, where a net without a loss can be timed, too

    def warm_up(self) -> None:
        """Run everything once: kernels are compiled and memory is taken before the clock starts."""
        LOGGER.info("Performing Forward")
        LOGGER.info("Initial loss: %s", number(self.net.forward_pass()))
        LOGGER.info("Performing Backward")
        self.net.backward_pass()

    def run(self, iterations: int) -> None:
        """Time the layers and log the averages."""
        self.net.debug_info = False  # its lines would be timed
        self.times.clear()
        LOGGER.info("*** Benchmark begins ***")
        LOGGER.info("Testing for %d iterations.", iterations)
        start = perf_counter_ns()
        forward = backward = 0
        for iteration in range(iterations):
            self.net.context.passes = iteration + 1  # new random numbers, as in training
            began = perf_counter_ns()
            self.net.forward_pass()
            between = perf_counter_ns()
            self.net.backward_pass()
            ended = perf_counter_ns()
            forward += between - began
            backward += ended - between
            took = (ended - began) // 1_000_000
            LOGGER.info("Iteration: %d forward-backward time: %d ms.", iteration + 1, took)
        total = (perf_counter_ns() - start) // 1_000_000
        self._log_layers(iterations)
        LOGGER.info("Average Forward pass: %s ms.", _milliseconds(forward, iterations))
        LOGGER.info("Average Backward pass: %s ms.", _milliseconds(backward, iterations))
        LOGGER.info("Average Forward-Backward: %s ms.", number(total / iterations))
        LOGGER.info("Total Time: %s ms.", number(total))
        LOGGER.info("*** Benchmark ends ***")

    def _log_layers(self, iterations: int) -> None:
        LOGGER.info("Average time per layer: ")
        for index, name in enumerate(self.net.layer_names):
            LOGGER.info("%10s\tforward: %s ms.", name, _milliseconds(self.times.forward[index], iterations))
            if self.net.core_layers[index].has_backward or not self.net.bottoms(index):  # a data layer's is empty
                LOGGER.info("%10s\tbackward: %s ms.", name, _milliseconds(self.times.backward[index], iterations))


def _milliseconds(nanoseconds: int, iterations: int) -> str:
    """Return the average of so many iterations in milliseconds, to the microsecond, as Caffe measures."""
    return number(nanoseconds // iterations // 1000 / 1000)
