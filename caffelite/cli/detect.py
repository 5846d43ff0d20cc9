"""`caffelite detect`: classify windows of images. Source: python/detect.py."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.flags import int32, string
from caffelite.cli.image_options import (
    CHANNEL_SWAP,
    INPUT_SCALE,
    MEAN_FILE,
    MODEL_DEF,
    PRETRAINED_MODEL,
    RAW_SCALE,
    model_files,
    number,
    numbers,
)
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, GPU, LAYERS, NO_PYTHON_LAYERS
from caffelite.core import mode
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of

if TYPE_CHECKING:
    from caffelite.detector import Detector, Window

LOGGER = logging.getLogger("caffelite")

LIST, SELECTIVE_SEARCH = "list", "selective_search"
CROP_MODE = string(
    "crop_mode", LIST, "Where windows come from: the list, or selective search.", choices=(LIST, SELECTIVE_SEARCH)
)
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
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
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
    model, weights = model_files(arguments, "to detect with")
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
        raise UsageError(
            f"--crop_mode={SELECTIVE_SEARCH}: {err}; or write --crop_mode={LIST} and list windows in a .csv file"
        ) from None


def _detector(arguments: Arguments, model: str, weights: str) -> Detector:
    from caffelite.detector import Detector
    from caffelite.tools.channel_mean import channel_mean

    swap = numbers(arguments, CHANNEL_SWAP, int)
    return Detector(
        model,
        weights,
        mean=channel_mean(arguments[MEAN_FILE]) if arguments[MEAN_FILE] else None,
        input_scale=number(arguments, INPUT_SCALE),
        raw_scale=number(arguments, RAW_SCALE),
        channel_swap=swap or None,
        context_pad=arguments[CONTEXT_PAD],
        python_layers=not arguments[NO_PYTHON_LAYERS],
    )
