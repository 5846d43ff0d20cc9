import numpy as np

from caffelite.reports.confusion import confusion_html, shortened, strengths


def test_a_table_names_rows_and_columns():
    html = confusion_html(np.array([[3, 1], [0, 4]]), ["0 <cat>", "1 a very long name of a dog"])
    assert html.count("<tr>") == 3
    assert "0 &lt;cat&gt; taken for 1 a very long name of a dog" in html
    assert ">1 a very lo\u2026</th>" in html
    assert ">3</td>" in html and 'class="none"' in html


def test_many_classes_are_a_picture():
    html = confusion_html(np.eye(40, dtype=int), list(map(str, range(40))))
    assert "<table" not in html
    assert 'src="data:image/png;base64,' in html


def test_a_class_that_is_no_label_has_no_strength():
    np.testing.assert_array_equal(strengths(np.array([[0, 0], [1, 3]])), [[0, 0], [0.25, 0.75]])


def test_long_names_are_cut():
    assert shortened("a cat", 5) == "a cat"
    assert shortened("a cat!", 5) == "a ca\u2026"
