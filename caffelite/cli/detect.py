"""`caffelite detect`: boxes in an image, or a net's word on windows of images. Source: python/detect.py."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, GPU, LABELS, LAYERS, NO_PYTHON_LAYERS
from caffelite.cli.streams import write_stdout
from caffelite.core import mode
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of

if TYPE_CHECKING:
    from caffelite.boxes.detector import BoxDetector
    from caffelite.boxes.mtcnn import MTCNN
    from caffelite.detector import Detector, Window

LOGGER = logging.getLogger("caffelite")

LIST, SELECTIVE_SEARCH = "list", "selective_search"
CROP_MODE = string(
    "crop_mode", LIST, "Where windows come from: the list, or selective search.", choices=(LIST, SELECTIVE_SEARCH)
)
CONFIDENCE = string("confidence", "0.5", "Boxes of a lower score are left out.", metavar="NUMBER")
SMALLEST = int32("smallest", 40, "Of MTCNN: side of the smallest faces to look for, in pixels.")
CONTEXT_PAD = int32("context_pad", 16, "Pixels of the input that show what lies around a window, on each side.")


@command(
    "detect",
    "draw the boxes that a net finds in an image, or classify windows of images",
    flags=(
        MODEL_DEF,
        PRETRAINED_MODEL,
        CROP_MODE,
        MEAN_FILE,
        INPUT_SCALE,
        RAW_SCALE,
        CHANNEL_SWAP,
        CONTEXT_PAD,
        LABELS,
        CONFIDENCE,
        SMALLEST,
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
        NO_PYTHON_LAYERS,
        GPU,
    ),
    positionals="INPUT OUTPUT",
    flag_help={
        MODEL_DEF: "The net, a deploy.prototxt; or the folder of MTCNN's three nets, as models/mtcnn.",
        LABELS: "Names of the boxes' labels from 0, a text file of a line each, or SSD's labelmap.",
    },
)
def detect(arguments: Arguments) -> None:
    """Find things in images. For a grey net write --mean_file= --channel_swap= (nothing for both).

    INPUT an image, OUTPUT a .png or .jpg file: the boxes that the net finds are drawn on the image, and printed: name,
    score, xmin, ymin, xmax and ymax in pixels. The net ends in DetectionOutput or a layer like it, whose output is
    (1, 1, K, 7); or it is MTCNN, three nets in a row that find faces, whose folder --model_def is. For example:

      caffelite detect street.jpg found.png --model_def=models/mobilenet_ssd/deploy.prototxt \
        --pretrained_model=mobilenet_iter_73000.caffemodel --mean_file=127.5,127.5,127.5 --input_scale=0.007843
      caffelite detect portrait.jpg faces.png --model_def=models/mtcnn

    INPUT a list, OUTPUT a .csv or .h5 file: the net, one that classifies images, is run on windows of images. INPUT is
    a .csv file with the columns filename, ymin, xmin, ymax and xmax, or a .txt file of images, of which each is one
    window. OUTPUT has a line for each window, or is an HDF5 file: group df, with datasets of these names and
    prediction. For example:

      caffelite detect windows.csv found.csv --model_def=deploy.prototxt --pretrained_model=net.caffemodel
    """
    source, target = (Path(name) for name in arguments.positionals)
    from caffelite.tools import detect as tools

    if source.suffix.lower() in tools.LISTS:
        _require_kind(target, "OUTPUT", tools.TABLES)
        _detect_windows(arguments, source, target)
    else:
        from caffelite.tools.detect_boxes import PICTURES

        if target.suffix.lower() in tools.TABLES:
            _require_kind(source, "INPUT", tools.LISTS)
        _require_kind(target, "OUTPUT", PICTURES)
        _detect_boxes(arguments, source, target)


def _detect_windows(arguments: Arguments, source: Path, target: Path) -> None:
    model, weights = model_files(arguments, "to detect with")
    from caffelite.tools import detect as tools

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


def _detect_boxes(arguments: Arguments, source: Path, target: Path) -> None:
    from caffelite.io import load_image
    from caffelite.tools.detect_boxes import lines_of, read_names, write_picture

    threshold = number(arguments, CONFIDENCE)
    names = read_names(Path(arguments[LABELS])) if arguments[LABELS] else []
    image = load_image(str(source))
    if arguments[GPU]:
        mode.set_mode_gpu()
    start = time.perf_counter()
    folder = Path(arguments[MODEL_DEF]) if arguments[MODEL_DEF] else None
    if folder is not None and folder.is_dir():
        boxes = [box for box in _cascade(arguments, folder).detect(image) if box.score > (threshold or 0)]
        names = names or ["face"]
    else:
        boxes = _box_detector(arguments).detect(image, threshold or 0)
    LOGGER.info("Found %d boxes in %.3f s.", len(boxes), time.perf_counter() - start)
    write_picture(target, image, boxes, names)
    for line in lines_of(boxes, names):
        write_stdout(line)
    LOGGER.info("Saved to %s", target)


def _cascade(arguments: Arguments, folder: Path) -> MTCNN:
    from caffelite.boxes.mtcnn import MTCNN

    if arguments[PRETRAINED_MODEL]:
        raise UsageError(
            f"--model_def={folder} is a folder with MTCNN's nets and weights; leave --pretrained_model out"
        )
    with glog.setting_up():
        return MTCNN(folder, arguments[SMALLEST])


def _box_detector(arguments: Arguments) -> BoxDetector:
    from caffelite.boxes.detector import BoxDetector

    model, weights = model_files(arguments, "to detect with")
    with glog.setting_up():
        return BoxDetector(model, weights, **_of_net_of_images(arguments))


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

    return Detector(model, weights, context_pad=arguments[CONTEXT_PAD], **_of_net_of_images(arguments))


def _of_net_of_images(arguments: Arguments) -> dict[str, Any]:
    """Return what the flags say of the net and of how it gets its images."""
    from caffelite.tools.channel_mean import channel_mean

    return {
        "mean": channel_mean(arguments[MEAN_FILE]) if arguments[MEAN_FILE] else None,
        "input_scale": number(arguments, INPUT_SCALE),
        "raw_scale": number(arguments, RAW_SCALE),
        "channel_swap": tuple(numbers(arguments, CHANNEL_SWAP, int)) or None,
        "python_layers": not arguments[NO_PYTHON_LAYERS],
    }
