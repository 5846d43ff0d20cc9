import struct

import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import DataError, UsageError
from caffelite.tools.convert_mnist_siamese_data import convert_mnist_siamese_data

COUNT = 300
IMAGES = np.arange(COUNT * 6, dtype=np.uint16).astype(">u2").view(np.uint8).reshape(COUNT, 3, 4)  # all different
LABELS = np.arange(COUNT, dtype=np.uint8) % 10


@pytest.fixture
def convert(tmp_path):
    def run(name, labels=LABELS, backend="lmdb"):
        (tmp_path / "images").write_bytes(struct.pack(">4I", 2051, *IMAGES.shape) + IMAGES.tobytes())
        (tmp_path / "labels").write_bytes(struct.pack(">2I", 2049, len(labels)) + labels.tobytes())
        said = []
        convert_mnist_siamese_data(
            tmp_path / "images", tmp_path / "labels", tmp_path / name, backend, lambda *words: said.append(words)
        )
        assert said[-1] == (COUNT, COUNT)
        return LmdbReader(tmp_path / name).read(COUNT)

    return run


def test_pairs(convert):
    records = convert("db")
    assert [key for key, _ in records] == [b"%08d" % number for number in range(COUNT)]
    place = {image.tobytes(): number for number, image in enumerate(IMAGES)}
    drawn = []
    for key, value in records:
        pair, same = DatumReader("").read(key, value)
        assert pair.shape == (2, 3, 4)
        first, second = (place[image.tobytes()] for image in pair)
        assert same == (LABELS[first] == LABELS[second])
        drawn += [first, second]
    assert 0.5 < len(set(drawn)) / (COUNT * (1 - np.exp(-2))) < 1.5  # with replacement: of each 1 - 1 / e^2
    assert 10 < sum(DatumReader("").read(*record)[1] for record in records) < 60  # 30 are expected


def test_the_same_again(convert):
    assert convert("a") == convert("b")


def test_what_is_refused(convert):
    with pytest.raises(DataError, match="images holds 300 images, and .*labels 299 labels"):
        convert("a", LABELS[:-1])
    with pytest.raises(UsageError, match="Unknown database backend"):
        convert("a", backend="sqlite")
    convert("a")
    with pytest.raises(DataError, match="mkdir .*a failed: it is already there"):
        convert("a")
