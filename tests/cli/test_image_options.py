import pytest

from caffelite.cli.command import Arguments
from caffelite.cli.image_options import (
    CHANNEL_SWAP,
    MODEL_DEF,
    PRETRAINED_MODEL,
    RAW_SCALE,
    model_files,
    number,
    numbers,
)
from caffelite.core.errors import UsageError


def test_numbers():
    assert number(Arguments({}, []), RAW_SCALE) == 255
    assert number(Arguments({RAW_SCALE: ""}, []), RAW_SCALE) is None
    assert numbers(Arguments({CHANNEL_SWAP: "2,0,1"}, []), CHANNEL_SWAP, int) == [2, 0, 1]
    assert numbers(Arguments({CHANNEL_SWAP: ""}, []), CHANNEL_SWAP, int) == []


def test_what_are_no_numbers():
    with pytest.raises(UsageError, match=r"^--channel_swap=2,x: write numbers, with commas between them, or nothing$"):
        numbers(Arguments({CHANNEL_SWAP: "2,x"}, []), CHANNEL_SWAP, int)
    with pytest.raises(UsageError, match=r"^--raw_scale=1,2 is not one number$"):
        number(Arguments({RAW_SCALE: "1,2"}, []), RAW_SCALE)


def test_the_files_of_a_net(tmp_path):
    path = str(tmp_path / "net.prototxt")
    with pytest.raises(UsageError, match="^Need model weights to look with; give --pretrained_model=FILE$"):
        model_files(Arguments({MODEL_DEF: path}, []), "to look with")
    arguments = Arguments({MODEL_DEF: path, PRETRAINED_MODEL: path}, [])
    with pytest.raises(UsageError, match="^File not found: "):
        model_files(arguments, "to look with")
    (tmp_path / "net.prototxt").write_text("")
    assert model_files(arguments, "to look with") == (path, path)
