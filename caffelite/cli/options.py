"""The flags that Caffe's own commands share, each defined once."""

import logging
from typing import TYPE_CHECKING

from caffelite.cli.flags import Flag, boolean, int32, string
from caffelite.core import mode
from caffelite.core.errors import UsageError
from caffelite.core.files import require_file

if TYPE_CHECKING:
    from caffelite.cli.command import Arguments
    from caffelite.core.net.net import Net

LOGGER = logging.getLogger("caffelite")
EFFECTS = ("stop", "snapshot", "none")

SOLVER = string("solver", "", "The solver definition, a prototxt file.", metavar="FILE")
MODEL = string("model", "", "The model definition, a prototxt file.", metavar="FILE")
WEIGHTS = string("weights", "", "Trained weights, a caffemodel; several are listed with commas.", metavar="FILE")
AUTO = "auto"
SNAPSHOT = string(
    "snapshot",
    "",
    "The solverstate to resume from; auto takes the complete one of the highest iteration, or begins if there is none.",
    metavar=f"FILE|{AUTO}",
)
GPU = string("gpu", "", "Accepted for Caffe's scripts; caffelite says once that it runs on the CPU.", metavar="IDS")
BACKEND = string("backend", "lmdb", "Kind of the database: lmdb or leveldb.", metavar="KIND")
ITERATIONS = int32("iterations", 50, "How many iterations to run.")
PHASE = string("phase", "", "Phase of the net that is timed; TRAIN if not given.", choices=("TRAIN", "TEST"))
LEVEL = int32("level", 0, "Level of the net's state, which include and exclude rules look at.")
STAGE = string("stage", "", "Stages of the net's state, separated by commas.", metavar="NAMES")
JSON = boolean("json", "Print the result as JSON, for programs.")
SHAPE = string(
    "shape",
    "",
    "Shapes of data that is not there, if nothing tells them: data=64,3,224,224; several with spaces between.",
    metavar="BLOB=N,...",
)
NO_PYTHON_LAYERS = boolean("no_python_layers", "Refuse nets with layers of type Python: they run code of their own.")
LAYERS = string(
    "layers",
    "",
    "A Python file that registers layer types of your own; give the flag once for each file.",
    metavar="FILE",
    adds_up=True,
)
ALLOW_UNKNOWN_FIELDS = boolean(
    "allow_unknown_fields",
    "Leave out fields of prototxt files that nobody knows, with a warning; misspelt ones are still refused.",
)
DATA_WORKERS = int32(
    "data_workers",
    0,
    "Threads that decode and transform the images of each data layer; 0 takes CAFFELITE_DATA_WORKERS of the "
    "environment or else one a core. What is read does not depend on it.",
)
ON_BAD_RECORD = string(
    "on_bad_record",
    "stop",
    "What to do with a record that cannot be read, such as a damaged image; skip leaves it out and counts it.",
    choices=("stop", "skip"),
)
SIGINT_EFFECT = string("sigint_effect", "stop", "What Ctrl-C does; stop makes a snapshot first.", choices=EFFECTS)
SIGHUP_EFFECT = string("sighup_effect", "snapshot", "What a hangup signal does.", choices=EFFECTS)
SIGTERM_EFFECT = string(
    "sigterm_effect", "stop", "What SIGTERM does (docker stop, SLURM); stop makes a snapshot first.", choices=EFFECTS
)
LAYER = string("layer", "", "Name of the layer.", metavar="NAME")
IMAGE = string("image", "", "The image to run the net on.", metavar="FILE")
REPORT = string("report", "", "A page to write, .html, that stands alone.", metavar="FILE")
LABELS = string("labels", "", "Names of the classes, a text file of a line each.", metavar="FILE")
OUT = string("out", "", "Where to write what is made.", metavar="PATH")
OUTPUT = string("o", "", "The file to write.", metavar="FILE")


def stages(arguments: "Arguments") -> list[str]:
    """Return the stages as Caffe splits them: without the flag there is one, of no letters."""
    return arguments[STAGE].split(",")


def shapes(arguments: "Arguments") -> dict[str, tuple[int, ...]]:
    """Return what --shape says, blob -> shape; UsageError for what is none."""
    found = {}
    for word in arguments[SHAPE].split():
        blob, equals, sizes = word.rpartition("=")
        if not equals or not blob or not all(size.isdecimal() and size.isascii() for size in sizes.split(",")):
            raise UsageError(f'--shape has "{word}"; write it as {blob or "data"}=64,3,224,224')
        found[blob] = tuple(map(int, sizes.split(",")))
    return found


def required(arguments: "Arguments", flag: Flag[str], need: str) -> str:
    """Return the flag's value; UsageError, beginning with Caffe's words `need`, if it has none."""
    value = arguments[flag]
    if not value:
        raise UsageError(f"{need}; give --{flag.name}={flag.metavar}")
    return value


def require_files(arguments: "Arguments", flag: Flag[str]) -> None:
    """Raise UsageError unless every file that the flag lists, with commas between, is there."""
    for name in filter(None, (name.strip() for name in arguments[flag].split(","))):
        require_file(name, flag.name)


def at_least(arguments: "Arguments", flag: Flag[int], least: int) -> int:
    """Return the flag's value; UsageError if it is below `least`."""
    value = arguments[flag]
    if value < least:
        raise UsageError(f"--{flag.name} is {value}; use {least} or more")
    return value


def data_workers(arguments: "Arguments") -> int | None:
    """Return the threads of a data layer, None if that is left open; UsageError for what cannot be."""
    from caffelite.core.data.workers import worker_count

    given = at_least(arguments, DATA_WORKERS, 0) or None
    worker_count(given)  # the environment may say something wrong
    return given


def tell_no_reader(arguments: "Arguments", nets: "list[Net]") -> None:
    """Warn of flags about reading and decoding records for nets that do not."""
    from caffelite.core.net.reading import readers

    layers = readers(nets)
    if arguments.given(DATA_WORKERS) and not any(layer.decodes for layer in layers):
        LOGGER.warning("--%s: no layer of the net decodes records, so nothing changes", DATA_WORKERS.name)
    if arguments.given(ON_BAD_RECORD) and not layers:
        LOGGER.warning("--%s: no layer of the net reads records, so nothing changes", ON_BAD_RECORD.name)


def use_cpu(arguments: "Arguments", file_asks: bool = False) -> None:
    """Log `Use CPU.`, after one warning if the command line or the solver's file asks for a GPU."""
    if arguments[GPU] or file_asks:
        mode.set_mode_gpu()
    LOGGER.info("Use CPU.", stacklevel=2)  # each command has a line of its own in Caffe
