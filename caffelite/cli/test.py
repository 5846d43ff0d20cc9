"""`caffelite test`: score trained weights. Source: tools/caffe.cpp, test()."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    DATA_WORKERS,
    GPU,
    ITERATIONS,
    LABELS,
    LAYER,
    LAYERS,
    LEVEL,
    MODEL,
    NO_PYTHON_LAYERS,
    ON_BAD_RECORD,
    REPORT,
    STAGE,
    WEIGHTS,
    at_least,
    data_workers,
    require_files,
    required,
    stages,
    tell_no_reader,
    use_cpu,
)
from caffelite.core.errors import UsageError
from caffelite.core.format import number

if TYPE_CHECKING:
    from caffelite.pycaffe import Net
    from caffelite.reports.evaluation import Evaluation

LOGGER = logging.getLogger("caffelite")


@command(
    "test",
    "score trained weights",
    flags=(
        *(MODEL, WEIGHTS, ITERATIONS, REPORT, LABELS, LAYER, LEVEL, STAGE),
        *(DATA_WORKERS, ON_BAD_RECORD, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS, GPU),
    ),
    result_is_log=True,
    file=MODEL,
    flag_help={
        ITERATIONS: "How many batches to score, of the net's batch_size each. Default: 50. With --report and "
        "without this, the whole database once.",
        REPORT: "Write a page of its figures, worst mistakes and probable wrong labels, .html, and the labels as CSV.",
        LABELS: "With --report: names of the classes, a text file of a line each.",
        LAYER: "With --report: the Accuracy or SoftmaxWithLoss layer whose scores and labels it is of; the last if not "
        "given.",
        WEIGHTS: "The weights to score, one caffemodel; each layer takes those of its name.",
    },
)
def test(arguments: Arguments) -> None:
    """Run a net in phase TEST and print its outputs for each batch, then their means.

    FILE is the same as --model=FILE. With --report the means are also a page that stands alone: confusion matrix,
    figures of each class, calibration, the worst mistakes as images, and labels that are probably wrong, which are also
    written beside it (page.html, page_wrong_labels.csv). For example:

      caffelite test train_val.prototxt --weights=net.caffemodel --iterations=100
      caffelite test train_val.prototxt --weights=net.caffemodel --report=page.html --labels=names.txt
    """
    model = required(arguments, MODEL, "Need a model definition to score")
    weights = required(arguments, WEIGHTS, "Need model weights to score")
    require_files(arguments, WEIGHTS)
    iterations = at_least(arguments, ITERATIONS, 0)
    workers = data_workers(arguments)
    if arguments[REPORT]:
        from caffelite.reports.page import check_path

        check_path(arguments[REPORT])
    elif unused := [flag for flag in (LABELS, LAYER) if arguments.given(flag)]:
        raise UsageError(f"--{unused[0].name} is for a report; give --report=FILE, too")
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
            data_workers=workers,
            on_bad_record=arguments[ON_BAD_RECORD],
        )
        tell_no_reader(arguments, [net])
    try:
        with glog.setting_up():
            net.copy_from(weights)
        report = _Report(net, arguments) if arguments[REPORT] else None
        if report is not None:
            iterations = report.iterations
        LOGGER.info("Running for %d iterations.", iterations)
        start = time.perf_counter()
        with counting("batches") as progress:
            _score(net, iterations, report.evaluation if report else None, progress)
        _tell_reading(net, time.perf_counter() - start)
        if report is not None:
            report.write()
    finally:
        net.close()


def _tell_reading(net: Net, seconds: float) -> None:
    """Log whether the net waited for data, and how many records it left out."""
    from caffelite.core.net.reading import readers, seconds_for_first, seconds_waited, skipped_texts, waiting_text

    layers = readers([net])
    if text := waiting_text(seconds_waited(layers), seconds - seconds_for_first(layers)):
        LOGGER.info("%s", text)
    for text in skipped_texts(layers):
        LOGGER.warning("%s", text)


class _Report:
    """The report that the command line asks for. Raises UsageError if there can be none."""

    def __init__(self, net: Net, arguments: Arguments) -> None:
        from caffelite.reports.evaluation import Evaluation
        from caffelite.reports.of_test import read_names

        self.evaluation = Evaluation(net, arguments[LAYER])
        self._net, self._arguments = net, arguments
        self._names = read_names(arguments[LABELS], self.evaluation.scored.classes) if arguments[LABELS] else []
        self.iterations = arguments[ITERATIONS]
        if self.evaluation.items.count is not None and not arguments.given(ITERATIONS):
            self.iterations = -(-self.evaluation.items.count // self.evaluation.batch)
        self.evaluation.require_memory(self.iterations)

    def write(self) -> None:
        """Write the page of what was gathered."""
        from caffelite import __version__
        from caffelite.core.net.reading import readers, skipped_texts
        from caffelite.reports.of_test import TestReport

        arguments, evaluation = self._arguments, self.evaluation
        if evaluation.repeated:
            why = "The data began again" if evaluation.items.count is not None else "Windows were drawn again"
            LOGGER.info("%s: the report leaves out %d repeated items", why, evaluation.repeated)
        facts = [
            ("net", arguments[MODEL]),
            ("weights", arguments[WEIGHTS]),
            ("figures of layer", evaluation.scored.layer.name),
            *(("records", text) for text in skipped_texts(readers([self._net]))),
            ("caffelite", __version__),
            ("on", time.strftime("%Y-%m-%d %H:%M")),
        ]
        report = TestReport(evaluation, f"{self._net.name or 'Net'}: test report", facts, self._names)
        LOGGER.info("Wrote %s", " and ".join(map(str, report.write(arguments[REPORT]))))


def _score(net: Net, iterations: int, evaluation: Evaluation | None, progress: Callable[[int, int], None]) -> None:
    import numpy as np

    from caffelite.core.solver.nan_watch import warn_of_bad_output

    total_loss = 0.0
    totals: list[Any] = []
    for batch in range(iterations):
        net.context.passes = batch
        total_loss += net.forward_pass()
        warn_of_bad_output(net)
        if evaluation is not None:
            evaluation.add()
        values = net.output_values()
        for name, _, output in values:
            for value in output:
                LOGGER.info("Batch %d, %s = %s", batch, name, number(value))
        if not totals:
            totals = [0.0] * len(values)
        with np.errstate(invalid="ignore"):  # inf - inf is nan, of which the user was warned
            totals = [total + output for total, (_, _, output) in zip(totals, values, strict=True)]
        progress(batch + 1, iterations)
    # 0 / 0 is negative in Caffe
    LOGGER.info("Loss: %s", number(total_loss / iterations) if iterations else "-nan")
    for (name, weight, _), total in zip(net.output_values(), totals, strict=bool(iterations)):
        for value in total / iterations:
            note = f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""
            LOGGER.info("%s = %s%s", name, number(value), note)
