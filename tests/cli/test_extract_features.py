import pytest

import caffelite as caffe


@pytest.fixture
def weights(folder):
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.save("net.caffemodel")
    net.close()
    return "net.caffemodel"


def test_features(weights, caffelite, folder):
    result = caffelite("extract_features", weights, "net.prototxt", "ip,data", "ip_lmdb,data_lmdb", "3", "lmdb", "CPU")
    assert result.status == 0, result.err
    assert result.texts[-4:] == [
        "Extracting Features",
        "Extracted features of 12 query images for feature blob ip",
        "Extracted features of 12 query images for feature blob data",
        "Successfully extracted the features!",
    ]
    assert caffelite("compute_image_mean", "data_lmdb").texts[-1] == "mean_value channel [2]: 0.5"


def test_a_gpu_is_asked_for(weights, caffelite, folder):
    result = caffelite("extract_features", weights, "net.prototxt", "ip", "ip_lmdb", "1", "lmdb", "GPU", "0")
    assert result.status == 0
    assert sum("caffelite has no GPU code" in text for text in result.texts) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("net.caffemodel net.prototxt ip db 1", "extract_features is missing DB_TYPE"),
        ("net.caffemodel net.prototxt ip db one lmdb", 'NUM_BATCHES is "one"; write a whole number'),
        ("net.caffemodel net.prototxt ip db 0 lmdb", "0 batches have no features"),
        ("net.caffemodel net.prototxt acuracy db 1 lmdb", 'did you mean "accuracy"?'),
        ("net.caffemodel net.prototxt ip,data db 1 lmdb", "must be equal"),
        ("net.caffemodel net.prototxt ip db 1 csv", 'Unknown database backend "csv"; use lmdb, leveldb or hdf5'),
        ("nowhere net.prototxt ip db 1 lmdb", "File not found: nowhere"),
        ("net.caffemodel nowhere ip db 1 lmdb", "File not found: nowhere"),
    ],
)
def test_what_is_refused(weights, caffelite, folder, words, message):
    result = caffelite("extract_features", *words.split())
    assert result.status == 1
    assert message in result.error
    assert not (folder / "db").exists()
