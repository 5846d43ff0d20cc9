import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layers.shared.param_str import parsed_param_str


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("'feat_stride': 16", {"feat_stride": 16}),
        ('"feat_stride": 16\n', {"feat_stride": 16}),
        ("feat_stride: 16", {"feat_stride": 16}),
        ("{'feat_stride': 16, 'scales': [4, 8]}", {"feat_stride": 16, "scales": [4, 8]}),
        ("'feat_stride': 16\n'scales': !!python/tuple [4, 8.5]  # small", {"feat_stride": 16, "scales": [4, 8.5]}),
        ("a: true\nb: -1.5e-3\nc: word\nd: 'two words'", {"a": True, "b": -0.0015, "c": "word", "d": "two words"}),
        ("a: ~, b: []", {"a": None, "b": []}),
        ("", {}),
    ],
)
def test_forms(text, wanted):
    assert parsed_param_str(text) == wanted


@pytest.mark.parametrize("text", ["16", "'feat_stride' 16", "a: [1, 2", "a: {b: 1}", "a: 1 2", "a: __import__('os')"])
def test_refuses(text):
    with pytest.raises(LayerError, match=r"python_param\.param_str is .*; write a key and its value on each line"):
        parsed_param_str(text)
