from pathlib import Path

import numpy as np
import pytest

from caffelite import examples
from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.errors import UsageError
from caffelite.datasets import digits as stored

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def net():
    return examples.lenet()


def test_the_net_knows_as_many_of_the_test_digits_as_its_readme_says(net):
    images, labels = examples.digits()
    net.blobs["data"].reshape(*images.shape)
    right = int((net.forward(data=images)["prob"].argmax(axis=1) == labels).sum())
    readme = (ROOT / "models/lenet_small/readme.md").read_text()
    assert "of the 360 for testing it knows 356, 98.9 %" in " ".join(readme.split())
    assert (len(labels), right) == (360, 356)


def test_the_weights_are_small_and_whole(net):
    assert (ROOT / "models/lenet_small/digits.caffemodel").stat().st_size < 320_000
    count = sum(blob.count for blobs in net.params.values() for blob in blobs)
    # 20 kernels of 5x5 and 50 of 20x5x5, 4x4x50 values to 64 units, these to 10 classes, and the biases
    assert count == 20 * 26 + 50 * 501 + 64 * 801 + 10 * 65 == 77_484


def test_one_image_goes_through_as_it_comes():
    images, labels = examples.digits()
    assert examples.lenet().forward(data=images[:1])["prob"].argmax() == labels[0]


@pytest.mark.parametrize(("part", "count"), [("test", 360), ("train", 1437)])
def test_digits_are_what_training_reads(part, count, tmp_path):
    images, labels = examples.digits(part)
    assert (images.shape, images.dtype, labels.shape) == ((count, 1, 28, 28), np.float32, (count,))
    stored.make(tmp_path)
    records = [
        DatumReader("").read(key, value) for key, value in LmdbReader(tmp_path / f"digits_{part}_lmdb").read(count)
    ]
    np.testing.assert_array_equal(images * 256, [pixels for pixels, _ in records])
    assert labels.tolist() == [label for _, label in records]


def test_another_part_is_refused():
    with pytest.raises(UsageError, match='no part "tests"; did you mean "test"?'):
        examples.digits("tests")


def test_the_page_of_pictures_makes_the_pictures_that_lie_beside_it(tmp_path, monkeypatch):
    page = ROOT / "docs" / "pictures"
    code = (page / "readme.md").read_text().split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) < 10
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn | {"training.png", "explain.png", "faces.png"} == {path.name for path in page.glob("*.png")}
    for name in drawn:  # other versions of matplotlib and fonts may differ in single pixels
        assert (tmp_path / name).stat().st_size == pytest.approx((page / name).stat().st_size, rel=0.2)
