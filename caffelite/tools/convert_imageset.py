"""A database of the images that a list names. Source: tools/convert_imageset.cpp, src/caffe/util/io.cpp."""

from __future__ import annotations

import logging
import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from caffelite.core.blob import Array
from caffelite.core.data.datum import encoded_datum, image_datum
from caffelite.core.data.image import opencv
from caffelite.core.data.image_list import ListedImage, ends_like_a_label, read_image_list
from caffelite.core.data.lmdb_writer import creating_lmdb
from caffelite.core.data.opencv import can_encode, decode_as, encode, resize
from caffelite.core.errors import DataError, UsageError
from caffelite.core.files import read_file, reason_of
from caffelite.tools.backend import Progress, require_lmdb, require_new

log = logging.getLogger("caffelite")

RECORDS_PER_LINE = 1000  # of the log
MOST_THREADS = 16
AHEAD = 4  # images that are read before they are needed, for each thread


@dataclass(frozen=True)
class Options:
    """The flags of convert_imageset; sizes are pixels, 0 to keep the image's.

    `label_count` is how many labels each line of the list has, 0 for Caffe's rule: what follows the last blank.
    """

    gray: bool = False
    shuffle: bool = False
    backend: str = "lmdb"
    resize_width: int = 0
    resize_height: int = 0
    check_size: bool = False
    encoded: bool = False
    encode_type: str = ""
    label_count: int = 0

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width to resize to; None unless both are given."""
        height, width = max(0, self.resize_height), max(0, self.resize_width)
        return (height, width) if height and width else None


class Record(NamedTuple):
    """The Datum of an image, or why there is none, and the number of its values when it is decoded."""

    datum: bytes
    problem: str
    values: int


def convert_imageset(root: str, list_file: Path, database: Path, options: Options, progress: Progress) -> int:
    """Make `database` of the images of a list and return their number; paths are `root` followed by the list's.

    Keys are the line's number, from 0 and of eight digits, and the path: `00000007_cats/a.jpg`. An image that cannot
    be read is an error in the log, and its number is left out; so is a list that cannot be read, of a database without
    records. Raises UsageError, or DataError if an image cannot be stored as asked or the database not be made: there
    is none then.
    """
    require_lmdb(options.backend)
    _check(options)
    images = _listed(list_file, options)
    require_new(database)
    skipped = 0
    first_size = None
    with creating_lmdb(database) as writer:
        for line, record in enumerate(_in_order(lambda image: _record(root, image, options), images)):
            path = images[line].path
            progress(line + 1, len(images))
            if record.problem:
                log.error("%s", record.problem)
                skipped += 1
                continue
            if options.check_size:
                first_size = record.values if first_size is None else first_size
                if record.values != first_size:
                    raise DataError(
                        f"{root}{path}: Incorrect data field size {record.values}: the first image has {first_size} "
                        "values; resize them, or leave out --check_size"
                    )
            writer.put(b"%08d_%s" % (line, os.fsencode(path)), record.datum)
            if writer.count % RECORDS_PER_LINE == 0:
                log.info("Processed %d files.", writer.count)
    if writer.count % RECORDS_PER_LINE:
        log.info("Processed %d files.", writer.count)
    if skipped:
        log.warning("%d of %d images are not in %s%s", skipped, len(images), database, _hint(root, images))
    if not writer.count:
        log.warning("%s holds no records, and no net can read it", database)
    return writer.count


def _check(options: Options) -> None:
    if options.label_count < 0:
        raise UsageError(f"--label_count is {options.label_count}; write how many labels a line has, or leave it out")
    if options.size is None and max(options.resize_width, options.resize_height) > 0:
        log.warning("images keep their sizes: resizing needs both --resize_width and --resize_height")
    if options.encode_type and not options.encoded:
        log.info("encode_type specified, assuming encoded=true.")
    opencv()
    if options.encode_type and not can_encode(options.encode_type):
        raise UsageError(f'--encode_type is "{options.encode_type}", which OpenCV cannot write; use jpg or png')


def _listed(list_file: Path, options: Options) -> list[ListedImage]:
    images: list[ListedImage] = []
    try:
        images, doubt = read_image_list(list_file, options.label_count)
    except OSError as err:
        log.error("the list of images cannot be read: %s", reason_of(err))
    else:
        if doubt:
            log.warning("%s", doubt)
    if options.shuffle:
        log.info("Shuffling data")
        random.SystemRandom().shuffle(images)  # another order each time, as in Caffe
    log.info("A total of %d images.", len(images))
    return images


def _hint(root: str, images: list[ListedImage]) -> str:
    """Return what to write instead where the slash between folder and path, or a flag, is missing; else ""."""
    if images and ends_like_a_label(images[0].path):
        return ": what follows the last blank of a line is its label; if lines have several, give --label_count"
    if root.endswith("/") or not images or not os.path.exists(f"{root}/{images[0].path}"):
        return ""
    return f': the folder is put before the paths as it is written; write "{root}/"'


def _in_order(read: Callable[[ListedImage], Record], images: list[ListedImage]) -> Iterator[Record]:
    """Give read(image) of each image in order; threads read some images ahead."""
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    waiting: deque[Future[Record]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for image in images:
                waiting.append(pool.submit(read, image))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _record(root: str, listed: ListedImage, options: Options) -> Record:
    path = root + listed.path
    try:
        data = read_file(path)
    except FileNotFoundError:
        return Record(b"", f"Could not open or find file {path}", 0)
    except (OSError, ValueError) as err:
        return Record(b"", f"Could not open or find file {path}: {getattr(err, 'strerror', None) or err}", 0)
    try:
        image = decode_as(data, color=not options.gray)
    except DataError as err:
        return Record(b"", f"Could not open or find file {path}: {err}", 0)
    if options.size:
        image = resize(image, *options.size)
    if not (options.encoded or options.encode_type):
        return Record(image_datum(image, listed.label), "", image.size)
    kind = options.encode_type or _kind_of(listed.path)
    # The image has the channels that were asked for, whatever those of the file; so Caffe asks no more either.
    if options.size or not _same_kind(path, kind):
        data = _encoded(image, kind, path)
    return Record(encoded_datum(data, listed.label), "", image.size)


def _encoded(image: Array, kind: str, path: str) -> bytes:
    if not can_encode(kind):
        raise DataError(f'{path}: OpenCV cannot write an image of kind "{kind}"; give --encode_type=jpg or png')
    return encode(image, kind)


def _kind_of(path: str) -> str:
    """Return the extension in small letters; without a dot the whole path, as Caffe does, which is of no kind."""
    _, dot, extension = path.rpartition(".")
    if not dot:
        log.warning("Failed to guess the encoding of '%s'", path)
    return extension.lower()


def _same_kind(path: str, kind: str) -> bool:
    extension = path.rpartition(".")[2].lower()
    return extension == kind or {extension, kind} == {"jpg", "jpeg"}
