import pytest

from caffelite.core.prototxt.braces import unbalanced
from caffelite.core.prototxt.tokens import Source

NET = """name: "n"
layer {
  name: "a"
  convolution_param {
    weight_filler {
      type: "xavier"
    }
    bias_filler {
      type: "constant"
    }
  }
}
layer {
  name: "b"
}
layer {
  name: "c"
}
"""
LINES = NET.splitlines()


def said(text):
    source = Source("f", text)
    found = unbalanced(source)
    return "" if found is None else source.where(found.offset) + found.text


@pytest.mark.parametrize("text", ["", NET, "}{", 'name: "}"  # }'])
def test_as_many_of_the_one_as_of_the_other_is_nothing_to_say(text):
    assert said(text) == ""


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (7, 'f:5:19: "{" is never closed; add "}" before line 7'),
        (10, 'f:8:17: "{" is never closed; add "}" before line 10'),
        (11, 'f:4:21: "{" is never closed; add "}" before line 11'),
        (12, 'f:2:7: "{" is never closed; add "}" before line 12'),
        (15, 'f:13:7: "{" is never closed; add "}" before line 15'),
        (18, 'f:16:7: "{" is never closed; add "}"'),
    ],
)
def test_of_a_missing_brace_the_line_of_its_opener_is_named(removed, expected):
    assert LINES[removed - 1].strip() == "}"
    assert said("\n".join(LINES[: removed - 1] + LINES[removed:])) == expected


@pytest.mark.parametrize("removed", [7, 10, 11, 12])
def test_without_indentation_the_layer_is_named(removed):
    flat = [line.strip() for line in LINES]
    assert said("\n".join(flat[: removed - 1] + flat[removed:])) == 'f:2:7: "{" is never closed; add "}" before line 12'


def test_other_forms():
    assert said("layer { a < b: 1 } }") == ""  # the walk says what is wrong
    assert said("layer { x < y: 1") == 'f:1:11: "<" is never closed; add ">"'
    assert said("layers { layer { } } layers { layer { }") == 'f:1:29: "{" is never closed; add "}"'
    assert said("net_param {\n  layer {\n  layer { } }") == 'f:2:9: "{" is never closed; add "}" before line 3'


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (3, 'f:4:3: this "}" is one too many: it closes the "{" of line 2, and line 5 seems to go on in that'),
        (11, 'f:13:1: this "}" closes nothing; the "{" of line 2 is closed on line 12'),
        (18, 'f:19:3: this "}" closes nothing; the "{" of line 16 is closed on line 18'),
        (0, 'f:1:3: this "}" closes nothing'),
    ],
)
def test_a_surplus_brace(behind, expected):
    assert said("\n".join([*LINES[:behind], "  }", *LINES[behind:]])) == expected
