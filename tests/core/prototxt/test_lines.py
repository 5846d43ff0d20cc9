import pytest

from caffelite.core.prototxt.lines import Lines

LINES = Lines(
    "net.prototxt",
    {
        "name": 1,
        "layer[0]": 2,
        "layer[0].bottom[0]": 3,
        "layer[0].bottom[1]": 4,
        "layer[0].pooling_param": 5,
        "layer[0].pooling_param.stride": 6,
    },
)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("layer[0].pooling_param.stride", 6),
        ("layer[0].pooling_param.kernel_size", 5),  # not written: the message around it
        ("layer[0].inner_product_param.weight_filler.std", 2),
        ("layer[0].bottom", 3),  # the first entry
        ("layer[0].pooling_param.stride[-1]", 6),  # what a user's layer names need be no path
        ("layer[0].Mine.get_state()['a.b']", 2),
        ("layer[0].a]..b[[", 2),
        ("layer[0].bottom[1]", 4),
        ("layer[0].bottom[7]", 3),
        ("layer[0]", 2),
        ("layer[9].name", 2),
        ("state.phase", None),
        ("", None),
    ],
)
def test_line(path, line):
    assert LINES.line(path) == line


def test_where():
    assert LINES.where("layer[0].pooling_param.stride") == "net.prototxt:6: "
    assert LINES.where("state") == "net.prototxt: "


def test_under():
    inner = LINES.under("layer[0]")
    assert inner.file == "net.prototxt"
    assert inner.line("pooling_param.stride") == 6
    assert inner.line("name") is None


def test_moved_takes_the_longest_path_that_has_a_move():
    moved = LINES.moved(
        {"layer[0]": "layer[1]", "layer[0].pooling_param.stride": "layer[1].stride[0]", "layer[0].bottom": None}
    )
    assert moved.table == {
        "name": 1,
        "layer[1]": 2,
        "layer[1].pooling_param": 5,
        "layer[1].stride[0]": 6,
    }
    assert LINES.line("layer[0].bottom[1]") == 4  # the old table stays


def test_moved_exchanges_layers():
    lines = Lines("f", {"layer[0].name": 1, "layer[1].name": 2})
    assert lines.moved({"layer[0]": "layer[1]", "layer[1]": "layer[0]"}).table == {
        "layer[1].name": 1,
        "layer[0].name": 2,
    }
