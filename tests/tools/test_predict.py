import numpy as np
import pytest

import caffelite as caffe
from caffelite import layers as L
from caffelite.core.errors import UsageError
from caffelite.tools.predict import image_names, predictions, read_array


def test_the_images_of_a_folder(tmp_path):
    for name in ("b.jpg", "a.jpg", "c.JPG", ".hidden.jpg", "d.png", "e.jpg.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in image_names(tmp_path, "jpg")] == ["a.jpg", "b.jpg"]
    assert [path.name for path in image_names(tmp_path, ".png")] == ["d.png"]
    assert image_names(tmp_path / "d.png", "jpg") == [tmp_path / "d.png"]
    with pytest.raises(UsageError, match=r"has no file whose name ends in \.gif; say with --ext"):
        image_names(tmp_path, "gif")


def test_arrays_stay_on_the_disk(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 4, 5, 3)))
    assert isinstance(read_array(tmp_path / "a.npy"), np.memmap)


@pytest.mark.parametrize(
    ("batch", "oversample", "sizes"), [(4, True, [2, 2, 1]), (4, False, [4, 1]), (10, True, [1, 1, 1, 1, 1])]
)
def test_so_many_at_once_as_fill_a_batch(batch, oversample, sizes):
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[batch, 1, 2, 3]))
    n.mean = L.Pooling(n.data, pool="AVE", global_pooling=True)
    classifier = caffe.Classifier(n.to_proto(), None, (2, 3))
    images = np.arange(5.0).reshape(5, 1, 1, 1) * np.ones((1, 2, 3, 1))
    found = list(predictions(classifier, images, oversample))
    assert [len(some) for some in found] == sizes
    assert np.concatenate(found).ravel().tolist() == [0, 1, 2, 3, 4]
