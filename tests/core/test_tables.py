from caffelite.core.tables import aligned, by, html_table, thousands


def test_words():
    assert (by((20, 576)), by((7,)), by(())) == ("20 x 576", "7", "scalar")
    assert thousands(60965224) == "60,965,224"


def test_columns_are_below_each_other():
    rows = [("name", "n"), ("a", "100"), ("long name", "")]
    assert aligned(rows, right=[1], indent="  ") == ["  name         n", "  a          100", "  long name"]


def test_html_is_escaped():
    html = html_table([("<b>", "n"), ("a & b", '"1"')], right=[1], caption="<net>", below=["x < 2", "y"])
    assert '<th style="text-align: left">&lt;b&gt;</th>' in html
    assert '<td style="text-align: left">a &amp; b</td><td style="text-align: right">&quot;1&quot;</td>' in html
    assert "<caption>&lt;net&gt;</caption>" in html
    assert html.endswith("</table>\nx &lt; 2<br>y")


def test_html_shows_what_is_no_character_there_as_an_escape():
    text = html_table([("a\x1b[31m<b>",), ("x\x00",)], caption="\x9b", below=["\x07&"])
    assert "a\\x1b[31m&lt;b&gt;" in text and "x\\x00" in text and "\\x9b" in text and "\\x07&amp;" in text
    assert not any(mark in text for mark in "\x1b\x00\x9b\x07")
