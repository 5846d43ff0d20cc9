"""How many images a second a Data layer makes of an LMDB of JPEGs, beside a PyTorch DataLoader that does the same.

256 x 256 JPEGs (quality 90, shapes and noise), decoded by OpenCV; random crop of 227, mirror, mean image. Both have the
same number of workers, threads here and processes there, and read ahead. Needs torch and opencv-python-headless.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import torch
from google.protobuf import text_format
from timing import Sample, interleave, machine_text, ratio_text
from torch.utils.data import DataLoader, Dataset, RandomSampler

from caffelite import TRAIN, Net
from caffelite.core.container import usable_cores
from caffelite.core.data.datum import encoded_datum
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.proto.caffe_pb2 import BlobProto, Datum, NetParameter

SIZE, CROP = 256, 227
CLASSES = 1000
NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label"
  transform_param {{ crop_size: {crop} mirror: true mean_file: "{folder}/mean.binaryproto" }}
  data_param {{ source: "{folder}/ours" backend: LMDB batch_size: {batch} prefetch: 4 }} }}
"""


def jpegs(count: int) -> Iterator[bytes]:
    """Give the bytes of pictures that take a decoder as long as photographs do."""
    random = np.random.default_rng(0)
    for _ in range(count):
        image = np.empty((SIZE, SIZE, 3), np.uint8)
        image[:] = random.integers(0, 256, 3)
        for _ in range(20):
            center, color = random.integers(0, SIZE, 2).tolist(), random.integers(0, 256, 3).tolist()
            cv2.circle(image, center, int(random.integers(5, 60)), color, -1)
        noise = cv2.GaussianBlur(random.normal(0, 30, image.shape), (0, 0), 0.8)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
        yield cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


class Images(Dataset[tuple[torch.Tensor, int]]):
    """The database as people read it for PyTorch; each worker opens it."""

    def __init__(self, folder: Path, mean: Any) -> None:
        self._folder, self._mean = str(folder), np.ascontiguousarray(mean.transpose(1, 2, 0))
        self._transaction: Any = None
        with lmdb.open(self._folder, readonly=True, lock=False) as environment:
            self._count = environment.stat()["entries"]

    def __len__(self) -> int:
        """Return the number of records."""
        return int(self._count)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return image and label of one record."""
        if self._transaction is None:
            cv2.setNumThreads(0)
            self._transaction = lmdb.open(self._folder, readonly=True, lock=False).begin()
        datum = Datum.FromString(self._transaction.get(b"%08d" % index))
        image = cv2.imdecode(np.frombuffer(datum.data, np.uint8), cv2.IMREAD_COLOR)
        y, x = torch.randint(0, SIZE - CROP + 1, (2,)).tolist()
        window = slice(y, y + CROP), slice(x, x + CROP)
        pixels = image[window].astype(np.float32)
        pixels -= self._mean[window]
        if torch.rand(()) < 0.5:
            pixels = pixels[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), datum.label


def ours(folder: Path, workers: int, batch: int, batches: int) -> Callable[[], Sample]:
    """Return a candidate for the clock: so many batches of a net that is a Data layer."""
    param = text_format.Parse(NET.format(folder=folder, crop=CROP, batch=batch), NetParameter())
    net = Net(param, TRAIN, data_workers=workers)

    def run() -> Sample:
        start = time.perf_counter()
        for _ in range(batches):
            net.forward()
        return (time.perf_counter() - start,)

    return run


def theirs(folder: Path, mean: Any, workers: int, batch: int, batches: int) -> Callable[[], Sample]:
    """Return a candidate for the clock: so many batches of a DataLoader, without an end."""
    images = Images(folder, mean)
    sampler = RandomSampler(images, replacement=True, num_samples=10**9)
    loader = iter(DataLoader(images, batch, sampler=sampler, num_workers=workers, prefetch_factor=2))

    def run() -> Sample:
        start = time.perf_counter()
        for _ in range(batches):
            next(loader)
        return (time.perf_counter() - start,)

    return run


def main() -> None:
    """Print images a second of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=usable_cores(), help="threads, and processes (default: cores)")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch")
    parser.add_argument("--batches", type=int, default=12, help="batches in one sample of the clock")
    parser.add_argument("--images", type=int, default=2000, help="images in the database")
    arguments = parser.parse_args()
    workers, batch, batches = arguments.workers, arguments.batch, arguments.batches
    print(machine_text(workers, ("numpy", "opencv-python-headless", "torch")))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mean = np.random.default_rng(1).uniform(90, 130, (3, SIZE, SIZE)).astype(np.float32)
        proto = BlobProto(num=1, channels=3, height=SIZE, width=SIZE, data=mean.ravel().tolist())
        (folder / "mean.binaryproto").write_bytes(proto.SerializeToString())
        encoded = list(jpegs(arguments.images))
        for name in ("ours", "theirs"):  # liblmdb opens a file once in a process
            records = ((b"%08d" % i, encoded_datum(data, i % CLASSES)) for i, data in enumerate(encoded))
            write_lmdb(folder / name, records)
        print(f"{len(encoded)} JPEGs of {np.mean([len(data) for data in encoded]) / 1024:.0f} KiB, batches of {batch}")
        timings = interleave(
            {
                "theirs": theirs(folder / "theirs", mean, workers, batch, batches),  # it forks: before we have threads
                "ours": ours(folder, workers, batch, batches),
            }
        )
    speeds = [batch * batches / timings[name].total for name in ("ours", "theirs")]
    print(
        f"{workers} workers: {speeds[0]:.0f} images a second, DataLoader {speeds[1]:.0f}, "
        f"ratio {ratio_text(timings['ours'], timings['theirs'])}"
    )


if __name__ == "__main__":
    main()
