"""How fast an image is transformed into its place in the batch, beside numpy.copyto of as many output bytes.

uint8 images of 3 x 256 x 256, in planes as raw Datums have them and with pixels side by side as OpenCV decodes them,
are cropped to 227 x 227, mirrored (every second one) and scaled, and a mean is subtracted: one number a channel, or
an image. One thread. The batch is larger than the caches, so that its memory's speed is the limit, as in training;
copyto reads a batch of floats and writes it, image by image, too.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from google.protobuf import text_format
from timing import Sample, interleave, machine_text, ratio_text

from caffelite.core.data.transformer import DataTransformer
from caffelite.proto import caffe_pb2

SIDE, CROP = 256, 227
MEAN_VALUES = "mean_value: 104 mean_value: 117 mean_value: 123"
PLAIN = f"crop_size: {CROP} mirror: true scale: 0.017"
FORMS = {
    "planes, mean values": (False, f"{PLAIN} {MEAN_VALUES}"),
    "planes, mean image": (False, PLAIN),
    "pixels side by side, mean values": (True, f"{PLAIN} {MEAN_VALUES}"),
    "pixels side by side, mean image": (True, PLAIN),
}
AUGMENTED = {
    "rotation": "rotation { degrees: 10 }",
    "rotation, zoom, aspect": "rotation { degrees: 10 } zoom { min: 0.8 max: 1.25 } aspect { ratio: 1.33 }",
    "brightness, contrast": "brightness { amount: 0.2 } contrast { amount: 0.2 }",
    "saturation, hue": "saturation { amount: 0.2 } hue { degrees: 10 }",
    "noise": "noise { std: 5 }",
    "cutout": "cutout { size: 60 }",
}


def transforming(
    text: str, interleaved: bool, number: np.dtype, batch_size: int, augmentation: str = ""
) -> Callable[[], Sample]:
    """Return a candidate for the clock: seconds that a batch of images takes, each transformed on its own."""
    random = np.random.default_rng(0)
    param = text_format.Parse(f"{text} {augmentation}", caffe_pb2.TransformationParameter())
    mean = None if param.mean_value else random.uniform(0, 255, (3, SIDE, SIDE)).astype(number)
    transformer = DataTransformer(param, True, number, 1, mean)
    images = [random.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8) for _ in range(batch_size)]
    if interleaved:
        images = [np.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in images]
    batch = np.zeros((batch_size, 3, CROP, CROP), number)

    def run() -> Sample:
        start = time.perf_counter()
        for record, image in enumerate(images):
            transformer.transform(image, record, batch[record])
        return (time.perf_counter() - start,)

    return run


def copying(number: np.dtype, batch_size: int) -> Callable[[], Sample]:
    """Return a candidate for the clock: seconds that numpy takes to copy a batch, image by image."""
    source, batch = (np.full((batch_size, 3, CROP, CROP), fill, number) for fill in (1, 0))

    def run() -> Sample:
        start = time.perf_counter()
        for record in range(batch_size):
            np.copyto(batch[record], source[record])
        return (time.perf_counter() - start,)

    return run


def main() -> None:
    """Print a line for each form: GB of output a second, and numpy.copyto's time over ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--double", action="store_true", help="float64 instead of float32")
    parser.add_argument("--batch-size", type=int, default=64, help="images (default: 64, 40 MB of float32)")
    parser.add_argument("--augmented", action="store_true", help="what each augmentation takes, too")
    options = parser.parse_args()
    number, size = np.dtype(np.float64 if options.double else np.float32), options.batch_size
    print(machine_text(1, ("numpy", "numba", "opencv-python-headless")))
    runs = {"numpy.copyto": copying(number, size)}
    for name, (interleaved, text) in FORMS.items():
        runs[name] = transforming(text, interleaved, number, size)
    for name, text in AUGMENTED.items() if options.augmented else ():
        runs[name] = transforming(f"{PLAIN} {MEAN_VALUES}", True, number, size, f"augmentation {{ {text} }}")
    timings = interleave(runs)
    copied = timings.pop("numpy.copyto")
    output = size * 3 * CROP * CROP * number.itemsize / 1e9
    print(f"{number}, {size} images: GB/s of output, microseconds an image, copyto's time over ours (lowest, highest)")
    print(f"{'numpy.copyto':34} {output / copied.total:5.2f} {copied.total / size * 1e6:7.0f}")
    for name, timing in timings.items():
        print(f"{name:34} {output / timing.total:5.2f} {timing.total / size * 1e6:7.0f}   {ratio_text(timing, copied)}")


if __name__ == "__main__":
    main()
