import re

from caffelite.explaining.page import SCRIPTS, html_of

CONTENT = {"name": "</script><!--", "arrays": [], "text": "a & b < c > d \u2028"}


def test_what_is_in_the_page_comes_out_as_it_was(data_of):
    assert data_of(html_of(CONTENT, "t", "s")) == CONTENT


def test_nothing_ends_its_element(data_of):
    evil = "</script><script>alert(1)</script><!-- {{style}}"
    html = html_of({**CONTENT, evil: evil}, evil, evil)
    assert html.count("<script") == 2
    assert html.count("</script") == 2
    assert "<!--" not in html
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- {{style}}" in html
    assert data_of(html)[evil] == evil


def test_the_page_names_no_other_place():
    html = html_of(CONTENT, "t", "s")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|src=|fetch\(|XMLHttpRequest|import\(", html)
    assert "default-src 'none'" in html


def test_all_scripts_are_in_it():
    from importlib.resources import files

    folder = files("caffelite.explaining") / "web"
    assert sorted(SCRIPTS) == sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".js"))
