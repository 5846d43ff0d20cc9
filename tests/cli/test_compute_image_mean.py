import pytest


def test_without_a_file_it_only_tells(folder, golden_folder, caffelite):
    result = caffelite("compute_image_mean", str(golden_folder / "data" / "raw_lmdb"))
    assert result.status == 0
    assert result.texts[1:] == [
        "Starting iteration",
        "Processed 6 files.",
        "Number of channels: 3",
        "mean_value channel [0]: 93.0284",
        "mean_value channel [1]: 100.92",
        "mean_value channel [2]: 123.545",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "compute_image_mean is missing DB"),
        (["a", "b", "c"], 'compute_image_mean has no use for "c"'),
        (["nowhere"], "nowhere"),
        (["net.prototxt"], "net.prototxt"),
        (["nowhere", "no/folder"], "cannot write no/folder: there is no folder no"),
        (["nowhere", "--backend=sqlite"], 'Unknown database backend "sqlite"; use lmdb or leveldb'),
    ],
)
def test_what_is_refused(caffelite, words, message):
    result = caffelite("compute_image_mean", *words)
    assert result.status == 1
    assert message in result.error
