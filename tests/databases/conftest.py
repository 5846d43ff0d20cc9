import struct

import cv2
import h5py
import numpy as np
import pytest

from caffelite.core.data.datum import encoded_datum, image_datum
from caffelite.core.data.lmdb_writer import write_lmdb

PAGE, LEAF = 4096, 2


def an_image(number, shape=(6, 8, 3)):
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


@pytest.fixture
def mixed(tmp_path):
    """Records 0 to 5: raw, PNG, JPEG, what is no Datum, a PNG cut short, raw of another size; labels 0 to 5."""
    png, jpeg = (cv2.imencode(kind, an_image(1))[1].tobytes() for kind in (".png", ".jpg"))
    values = [
        image_datum(an_image(0), 0),
        encoded_datum(png, 1),
        encoded_datum(jpeg, 2),
        b"\xff not a Datum",
        encoded_datum(png[:60], 4),
        image_datum(an_image(5, (5, 8, 3)), 5),
    ]
    write_lmdb(tmp_path / "mixed_lmdb", [(b"%d_a" % number, value) for number, value in enumerate(values)])
    return tmp_path / "mixed_lmdb"


@pytest.fixture
def large(tmp_path):
    """3000 raw images, 6 x 8 in 3 channels, labels 0 to 6; keys of 5 digits."""
    values = [(b"%05d" % number, image_datum(an_image(number), number % 7)) for number in range(3000)]
    write_lmdb(tmp_path / "large_lmdb", values)
    return tmp_path / "large_lmdb"


@pytest.fixture
def damaged(large):
    """The same with two of its leaf pages spoilt."""
    content = bytearray((large / "data.mdb").read_bytes())
    leaves = [at for at in range(2 * PAGE, len(content), PAGE) if struct.unpack_from("<H", content, at + 10)[0] == LEAF]
    for at in (leaves[20], leaves[21]):
        content[at + 10 : at + 12] = b"\0\0"
    (large / "data.mdb").write_bytes(content)
    return large


@pytest.fixture
def rows(tmp_path):
    """Write an HDF5 file with datasets data, (N, 3, 4, 5), and label, (N): rows("a.h5", N) -> its path."""

    def write(name, count, **changes):
        data = np.random.default_rng(count).normal(size=(count, 3, 4, 5)).astype(np.float32)
        with h5py.File(tmp_path / name, "w") as file:
            for dataset, values in {"data": data, "label": np.arange(count) % 3.0, **changes}.items():
                file[dataset] = values
        return tmp_path / name

    return write
