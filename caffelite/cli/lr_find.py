"""`caffelite lr_find`: which learning rate to begin with."""

from __future__ import annotations

import logging

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import double
from caffelite.cli.options import (
    ALLOW_UNKNOWN_FIELDS,
    DATA_WORKERS,
    GPU,
    ITERATIONS,
    LAYERS,
    LEVEL,
    NO_PYTHON_LAYERS,
    ON_BAD_RECORD,
    OUTPUT,
    SOLVER,
    STAGE,
    WEIGHTS,
    at_least,
    data_workers,
    require_files,
    required,
)
from caffelite.cli.solver_files import solver_file
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError

LOGGER = logging.getLogger("caffelite")
COUNT = 200
START = double("start", 1e-6, "The rate to begin with.")
END = double("end", 10.0, "The rate to end with, unless the loss explodes before.")


@command(
    "lr_find",
    "find a learning rate to begin with",
    flags=(
        *(SOLVER, START, END, ITERATIONS, WEIGHTS, OUTPUT, LEVEL, STAGE),
        *(DATA_WORKERS, ON_BAD_RECORD, LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS, GPU),
    ),
    file=SOLVER,
    flag_help={
        ITERATIONS: f"How many iterations to train. Default: {COUNT}.",
        OUTPUT: "A picture to draw, .png, .svg or .pdf.",
        WEIGHTS: "Weights to begin with, a caffemodel, or several with commas between.",
    },
)
def lr_find(arguments: Arguments) -> None:
    """Train a little while the rate grows by equal factors, and print the loss at each rate and a rate to begin with.

    It ends when the loss explodes. The smoothed loss is a mean in which the newest loss has a weight of 0.1. Suggested
    is the rate at which it had come three quarters of its way down, from the mean of the first tenth of the iterations
    to its lowest; none where it falls by less than 5 % or not beyond the spread of the losses of single iterations.
    base_lr and lr_policy of the solver do not matter, and no snapshot is read or written. FILE is the same as
    --solver=FILE. For example:

      caffelite lr_find solver.prototxt
      caffelite lr_find solver.prototxt --start=1e-4 --end=1 --iterations=400 -o rates.png
    """
    path = required(arguments, SOLVER, "Need a solver definition to find a learning rate for")
    require_files(arguments, WEIGHTS)
    count = at_least(arguments, ITERATIONS, 2) if arguments.given(ITERATIONS) else COUNT
    if not 0 < arguments[START] < arguments[END]:
        raise UsageError(f"--start is {arguments[START]:g} and --end {arguments[END]:g}; use rates above 0 that grow")
    workers = data_workers(arguments)
    _check_picture(arguments)
    from caffelite.lr_range import lr_find as find

    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not what was asked for
    with glog.setting_up():
        file = solver_file(path, arguments)
    found = find(
        file,
        arguments[START],
        arguments[END],
        count,
        python_layers=not arguments[NO_PYTHON_LAYERS],
        data_workers=workers,
        on_bad_record=arguments[ON_BAD_RECORD],
    )
    write_stdout(str(found))
    if arguments[OUTPUT]:
        from caffelite.pictures.figure import save

        save(found.show(), arguments[OUTPUT])
        write_stdout(arguments[OUTPUT])


def _check_picture(arguments: Arguments) -> None:
    """Raise UsageError now for a picture that could not be drawn afterwards."""
    if arguments[OUTPUT]:
        from caffelite.pictures import require_matplotlib

        require_matplotlib()
        from caffelite.pictures.figure import check_path

        check_path(arguments[OUTPUT])
