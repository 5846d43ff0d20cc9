"""`caffelite detect`: classify windows of images. Source: python/detect.py."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.flags import Flag, int32, string
from caffelite.cli.options import GPU, NO_PYTHON_LAYERS, required
from caffelite.core import mode
from caffelite.core.errors import UsageError
from caffelite.core.files import file_problem
from caffelite.core.prototxt.suggest import any_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffelite.detector import Detector, Window

LOGGER = logging.getLogger("caffelite")
N = TypeVar("N", int, float)

LIST, SELECTIVE_SEARCH = "list", "selective_search"
ILSVRC_2012 = "104.00698793,116.66876762,122.67891434"  # the mean that comes with Caffe, of each channel

MODEL_DEF = string("model_def", "", "The net, a deploy.prototxt.", metavar="FILE")
PRETRAINED_MODEL = string("pretrained_model", "", "Its weights, a caffemodel.", metavar="FILE")
CROP_MODE = string(
    "crop_mode", LIST, "Where windows come from: the list, or selective search.", choices=(LIST, SELECTIVE_SEARCH)
)
MEAN_FILE = string(
    "mean_file",
    ILSVRC_2012,
    "Mean of each channel, BGR: numbers with commas, or a file (.npy, binaryproto, HDF5), averaged. Nothing: no mean.",
    metavar="FILE|NUMBERS",
)
INPUT_SCALE = string("input_scale", "", "What values are multiplied by in the end.", metavar="NUMBER")
RAW_SCALE = string("raw_scale", "255.0", "What values from 0 to 1 are multiplied by first.", metavar="NUMBER")
CHANNEL_SWAP = string("channel_swap", "2,1,0", "Order of the channels; 2,1,0 makes BGR of RGB.", metavar="NUMBERS")
CONTEXT_PAD = int32("context_pad", 16, "Pixels of the input that show what lies around a window, on each side.")


@command(
    "detect",
    "classify windows of images",
    flags=(
        MODEL_DEF,
        PRETRAINED_MODEL,
        CROP_MODE,
        MEAN_FILE,
        INPUT_SCALE,
        RAW_SCALE,
        CHANNEL_SWAP,
        CONTEXT_PAD,
        NO_PYTHON_LAYERS,
        GPU,
    ),
    positionals="INPUT OUTPUT",
)
def detect(arguments: Arguments) -> None:
    """Run a net on the windows of images that INPUT lists, and write its outputs to OUTPUT.

    INPUT is a .csv file with the columns filename, ymin, xmin, ymax and xmax, or a .txt file of images, of which each
    is one window. OUTPUT is a .csv file with a line for each window, or an .h5 file: group df, with datasets of these
    names and prediction. For a grey net write --mean_file= --channel_swap= (nothing for both). For example:

      caffelite detect windows.csv found.csv --model_def=deploy.prototxt --pretrained_model=net.caffemodel
    """
    source, target = (Path(name) for name in arguments.positionals)
    model = required(arguments, MODEL_DEF, "Need a model definition to detect with")
    weights = required(arguments, PRETRAINED_MODEL, "Need model weights to detect with")
    for name in (model, weights):
        if problem := file_problem(name):
            raise UsageError(f"{problem} (looked in {Path.cwd()})")
    from caffelite.tools import detect as tools

    _require_kind(source, "INPUT", tools.LISTS)
    _require_kind(target, "OUTPUT", tools.TABLES)
    if arguments[GPU]:
        mode.set_mode_gpu()
    with glog.setting_up():
        detector = _detector(arguments, model, weights)
    images_windows = _windows(arguments, source)
    start = time.perf_counter()
    total = sum(len(windows) for _, windows in images_windows)
    found = []
    with counting("windows") as progress:
        for detection in detector.detections(images_windows):
            found.append(detection)
            progress(len(found), total)
    LOGGER.info("Processed %d windows in %.3f s.", len(found), time.perf_counter() - start)
    tools.write_detections(target, found)
    LOGGER.info("Saved to %s", target)


def _require_kind(path: Path, word: str, kinds: tuple[str, ...]) -> None:
    if path.suffix.lower() not in kinds:
        raise UsageError(f"{word} is {path}; give a file whose name ends in {any_of(kinds)}")


def _windows(arguments: Arguments, source: Path) -> list[tuple[str, list[Window]]]:
    from caffelite.detector import selective_search
    from caffelite.tools.detect import read_images, read_windows

    if arguments[CROP_MODE] == LIST:
        return read_windows(source)
    try:
        return [(name, list(windows)) for name, windows in selective_search(read_images(source))]
    except ImportError as err:
        raise UsageError(f"--crop_mode=selective_search: {err}") from None


def _detector(arguments: Arguments, model: str, weights: str) -> Detector:
    from caffelite.detector import Detector
    from caffelite.tools.channel_mean import channel_mean

    swap = _numbers(arguments, CHANNEL_SWAP, int)
    return Detector(
        model,
        weights,
        mean=channel_mean(arguments[MEAN_FILE]) if arguments[MEAN_FILE] else None,
        input_scale=_number(arguments, INPUT_SCALE),
        raw_scale=_number(arguments, RAW_SCALE),
        channel_swap=swap or None,
        context_pad=arguments[CONTEXT_PAD],
        python_layers=not arguments[NO_PYTHON_LAYERS],
    )


def _number(arguments: Arguments, flag: Flag[str]) -> float | None:
    """Return the number that a flag gives; None if it gives nothing."""
    numbers = _numbers(arguments, flag, float)
    if len(numbers) > 1:
        raise UsageError(f"--{flag.name}={arguments[flag]} is not one number")
    return numbers[0] if numbers else None


def _numbers(arguments: Arguments, flag: Flag[str], kind: Callable[[str], N]) -> list[N]:
    text = arguments[flag]
    try:
        return [kind(number) for number in text.split(",")] if text else []
    except ValueError:
        raise UsageError(f"--{flag.name}={text}: write numbers, with commas between them, or nothing") from None
