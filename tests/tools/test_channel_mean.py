import h5py
import numpy as np
import pytest

from caffelite.core.errors import CaffeliteError
from caffelite.io import array_to_blobproto
from caffelite.tools.channel_mean import channel_mean

MEAN = np.arange(12.0).reshape(3, 2, 2)


@pytest.mark.parametrize(("text", "values"), [("104,117.5,123", [104, 117.5, 123]), ("0", [0]), ("-1, 2", [-1, 2])])
def test_numbers(text, values):
    assert channel_mean(text).tolist() == values


@pytest.mark.parametrize("values", [MEAN, MEAN[np.newaxis], MEAN.mean((1, 2)), MEAN.astype(np.uint8)])
def test_files(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("mean.npy", values)
    assert channel_mean("mean.npy").tolist() == [1.5, 5.5, 9.5]
    (tmp_path / "mean.binaryproto").write_bytes(array_to_blobproto(values).SerializeToString())
    assert channel_mean("mean.binaryproto").tolist() == [1.5, 5.5, 9.5]
    with h5py.File("mean.h5", "w") as file:
        file["mean"] = values.astype(np.float32)
    assert channel_mean("mean.h5").tolist() == [1.5, 5.5, 9.5]


def test_the_mean_of_many_pixels_is_exact(tmp_path):
    np.save(tmp_path / "mean.npy", np.full((1, 3000, 3000), 0.1, np.float32))
    assert channel_mean(str(tmp_path / "mean.npy")) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_what_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("abc")
    (tmp_path / "text.npy").write_text("abc")
    np.save("flat.npy", np.zeros((2, 2)))
    np.save("two.npy", np.zeros((2, 3, 2, 2)))
    np.save("words.npy", np.array(["a"]))
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    claims = (
        np.lib.format.magic(1, 0)
        + b"\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3, 99999999, 999999), }"
    )
    (tmp_path / "claims.npy").write_bytes(claims.ljust(127) + b"\n" + bytes(24))
    for name, message in (
        ("1,2,x", "File not found: 1,2,x; a mean is a file, or numbers with commas such as 104,117,123 (looked in "),
        ("text", "text: this is no mean file ("),
        ("text.npy", "text.npy: this is no .npy file of numbers ("),
        ("claims.npy", "claims.npy: this is no .npy file of numbers ("),
        ("objects.npy", "objects.npy: this is no .npy file of numbers ("),
        ("flat.npy", "flat.npy: a mean is numbers of the shape (C), (C, H, W) or (1, C, H, W), not (2, 2)"),
        ("two.npy", "two.npy: a mean is numbers of the shape"),
        ("words.npy", "words.npy: a mean is numbers of the shape"),
    ):
        with pytest.raises(CaffeliteError) as caught:
            channel_mean(name)
        assert message in str(caught.value)
