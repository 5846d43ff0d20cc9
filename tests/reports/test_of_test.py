import csv

import pytest

from caffelite.core.errors import UsageError
from caffelite.reports import of_test
from caffelite.reports.of_test import TestReport, read_names

FACTS = [("net", "a<b>.prototxt"), ("weights", "w.caffemodel")]


def test_page_and_list_of_labels(evaluated, folder):
    report = TestReport(evaluated(), "net <n>", FACTS, ["<cat>", "dog", "mouse"])
    assert [path.name for path in report.write(folder / "x.html")] == ["x.html", "x_wrong_labels.csv"]
    page = (folder / "x.html").read_text()
    for words in (
        "<h1>net &lt;n&gt;</h1>",
        "net a&lt;b&gt;.prototxt; weights w.caffemodel",
        "71.43%",
        "All 2 mistakes",
    ):
        assert words in page
    assert "<cat>" not in page and "label 0 &lt;cat&gt;: 1.8%" in page  # 1 / (2 + e^4)
    assert "item 2, key&lt;2&gt;" in page
    assert "label among the best" not in page  # of three classes it would say nothing
    rows = list(csv.DictReader((folder / "x_wrong_labels.csv").read_text().splitlines()))
    assert [(row["item"], row["key"], row["label_name"], row["suggested"], row["suggested_name"]) for row in rows] == [
        ("2", "key<2>", "<cat>", "1", "dog")
    ]
    assert float(rows[0]["label_probability"]) == pytest.approx(0.0176684, rel=1e-4)
    assert float(rows[0]["suggested_probability"]) == pytest.approx(0.964663, rel=1e-5)


def test_no_mistakes(evaluated, folder, net_text):
    (folder / "one.prototxt").write_text(net_text)
    report = TestReport(evaluated(1, text=net_text.replace("batch_size: 4", "batch_size: 2")), "n", FACTS, [])
    report.write(folder / "x.html")
    page = (folder / "x.html").read_text()
    assert "No mistake." in page and "None was found" in page
    assert (folder / "x_wrong_labels.csv").read_text().count("\n") == 1


def test_nothing_tested(evaluated, folder):
    with pytest.raises(UsageError, match="use --iterations=1 or more"):
        TestReport(evaluated(0), "n", FACTS, []).write(folder / "x.html")


def test_names_of_classes(folder):
    (folder / "names.txt").write_text("tench, Tinca\ngoldfish\n")
    assert read_names("names.txt", 2) == ["tench, Tinca", "goldfish"]
    with pytest.raises(UsageError, match="names.txt has 2 lines, and the net has 3 classes"):
        read_names("names.txt", 3)
    with pytest.raises(UsageError, match="--labels: File not found: nowhere.txt"):
        read_names("nowhere.txt", 3)


def test_of_many_classes_the_worst_are_shown_first(evaluated, folder, monkeypatch):
    monkeypatch.setattr(of_test, "MOST_IN_TABLE", 2)
    monkeypatch.setattr(of_test, "MOST_WORST", 1)
    TestReport(evaluated(), "n", FACTS, []).write(folder / "x.html")
    section = (folder / "x.html").read_text().partition('<section id="classes">')[2].partition("</section>")[0]
    shown, _, folded = section.partition("<details>")
    # F1 by hand: 4 / 5, 2 / 3, 2 / 3; of equals the first
    assert shown.count("<tr>") == 1 + 1 + 2 and ">1</td><td>0.5000</td><td>1.0000</td><td>0.6667</td>" in shown
    assert folded.count("<tr>") == 1 + 3 + 2
