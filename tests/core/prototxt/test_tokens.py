from caffelite.core.prototxt.tokens import Source


def words(text):
    return [(token.kind, token.text) for token in Source("f", text).tokens()]


def test_comments_and_white_space_are_left_out():
    assert words("a # b: 1\n\t c") == [("name", "a"), ("name", "c"), ("end", "")]


def test_strings_keep_their_quotes_and_may_hold_signs():
    assert words("""'it\\'s # {' "\\"" """)[:-1] == [("string", "'it\\'s # {'"), ("string", '"\\""')]


def test_numbers():
    text = "1 -2.5 .5 1. 1e-05 -1E+3 0x1F 5f 3abc +7"
    assert words(text)[:-1] == [("number", word) for word in text.split()]


def test_names_and_signs():
    assert words("pad_h:-inf<>") == [
        ("name", "pad_h"),
        ("sign", ":"),
        ("name", "-inf"),
        ("sign", "<"),
        ("sign", ">"),
        ("end", ""),
    ]


def test_an_unclosed_string_is_a_sign():
    assert words('"abc\n')[0] == ("sign", '"')


def test_lines_and_columns_count_from_one():
    source = Source("net.prototxt", "name: 1\nlayer {\n\n}")
    assert [source.line(offset) for offset in (0, 7, 8, 16, 17)] == [1, 1, 2, 3, 4]
    assert source.where(14) == "net.prototxt:2:7: "
