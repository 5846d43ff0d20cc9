"""docs/: what the examples of the pages print is what the pages show."""

from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ["api.md", "coming-from-caffe.md"]
WRONG = "```python\nprint(1 + 1)\n```\n\n```text\n{}\n```\n\n```shell\n$ echo {} $((1 + 1))\n3 2\n```\n"


def test_the_page_on_layers_of_ones_own_prints_what_it_shows(page_of, differences_of):
    page = page_of("your-own-layers.md", (DOCS / "your-own-layers.md").read_text())
    shown = page.python()
    assert len(shown) == 3
    wrong = differences_of(page, shown + page.shell())
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", PAGES)
def test_python_prints_what_the_page_shows(name, page_of, differences_of):
    page = page_of(name, (DOCS / name).read_text())
    shown = page.python()
    assert len(shown) >= 5
    wrong = differences_of(page, shown)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_commands_print_what_the_page_shows(page_of, differences_of):
    page = page_of("coming-from-caffe.md", (DOCS / "coming-from-caffe.md").read_text())
    shown = page.shell()
    assert len(shown) >= 4
    wrong = differences_of(page, shown)
    assert not wrong, "\n".join(wrong)


def test_the_page_of_onnx(page_of, differences_of):
    """Its commands need what its Python wrote."""
    page = page_of("onnx.md", (DOCS / "onnx.md").read_text())
    python = page.python()
    shell = page.shell()
    assert (len(python), len(shell)) == (3, 3)
    wrong = differences_of(page, python) + differences_of(page, shell)
    assert not wrong, "\n".join(wrong)


def test_the_page_of_cv2(page_of, differences_of):
    page = page_of("your-cv2-script.md", (DOCS / "your-cv2-script.md").read_text())
    shown = page.python()
    assert len(shown) == 2
    wrong = differences_of(page, shown)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("number", "count"), [(2, 1), (3, 1)])
def test_what_is_shown_and_not_printed_is_found(number, count, page_of, differences_of):
    page = page_of("p.md", WRONG.format(number, number))
    wrong = differences_of(page, page.python()) + differences_of(page, page.shell())
    assert len(wrong) == count, wrong


def test_an_error_names_the_line_of_the_page(page_of):
    page = page_of("p.md", "# Page\n\n```python\nx = 1\nx.y\n```\n")
    with pytest.raises(AssertionError, match='"p.md", line 5'):
        page.python()
