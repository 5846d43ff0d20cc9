import pytest

from caffelite.core.errors import UsageError, WeightsError
from caffelite.reports.page import Html, check_path, fill, table, write_page


def test_texts_are_escaped_and_html_is_not():
    filled = fill("tile.html", value='<b>"&', label=Html("<i>1</i>"))
    assert filled == '<div class="tile"><b>&lt;b&gt;&quot;&amp;</b><span><i>1</i></span></div>\n'
    assert "&lt;x&gt;" in table(("<x>",), [("$name",)])
    assert "$name" in table(("<x>",), [("$name",)])


def test_control_characters_are_made_visible():
    assert fill("tile.html", value="\x1b[31m\x00", label="").startswith('<div class="tile"><b>\\x1b[31m\\x00</b>')


def test_a_page_needs_nothing_else(tmp_path):
    write_page(tmp_path / "x.html", "a <title>", "sub & title", Html("<p>body</p>"))
    text = (tmp_path / "x.html").read_text()
    assert "<title>a &lt;title&gt;</title>" in text and "sub &amp; title" in text and "<p>body</p>" in text
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text and "url(" not in text and "<script" not in text and "@import" not in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x.txt", "a report's name ends in .html or .htm"),
        ("nowhere/x.html", "there is no folder nowhere; make it first"),
        ("folder.html", "folder.html is a folder; give the name of a file"),
        (f"{'x' * 300}.html", "it cannot be looked at"),
    ],
)
def test_paths_that_no_page_can_have(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UsageError, match=words):
        check_path(name)


def test_a_full_disk_leaves_the_old_page(full_disk):
    with pytest.raises(WeightsError, match="No space left"):
        write_page(full_disk / "x.html", "a", "b", Html("c" * 10_000))
    assert not (full_disk / "x.html").exists()
