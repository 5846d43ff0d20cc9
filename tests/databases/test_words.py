from pathlib import Path

from caffelite.databases.record import Record, unreadable
from caffelite.databases.survey import Survey
from caffelite.databases.words import caption, check_lines, info_lines, record_dict, record_lines

GOOD = Record(0, "a", 1200, (3, 4, 5), "PNG", (7,))
BAD = Record(1, "b", 5, problem="it is not a Datum")


def survey_of(*records, count=None):
    survey = Survey("LMDB", Path("db"), count or sum(record.number for record in records), first_key="a", last_key="b")
    for record in records:
        survey.add(record)
    return survey


def test_a_list():
    assert record_lines([GOOD, BAD]) == [
        "record  key  shape      form  label  bytes",
        "     0  a    3 x 4 x 5  PNG       7  1,200",
        "     1  b    -          -         -      5  it is not a Datum",
    ]
    assert record_dict(BAD) == {"record": 1, "key": "b", "bytes": 5, "problem": "it is not a Datum"}
    assert record_dict(GOOD)["shape"] == [3, 4, 5] and record_dict(GOOD)["labels"] == [7]
    assert caption(GOOD) == "7" and caption(GOOD._replace(labels=())) == "#0"


def test_info():
    assert info_lines(survey_of(GOOD, BAD, count=10), [("files", "2")]) == [
        "database  db",
        "kind      LMDB",
        "records   10",
        "files     2",
        "keys      a to b",
        "values    3 x 4 x 5 PNG, of 2 of the records",
        "labels    7 to 7, of 2 of the records",
        "problems  1 of these cannot be used; caffelite db check names them",
    ]


def test_check():
    other = Record(2, "c", 5, (1, 4, 5), "PNG", (8,))
    lines = check_lines(survey_of(GOOD, GOOD, BAD, other, unreadable(4, "the page is damaged", 30)), [])
    assert lines[lines.index("records of each label") + 1 :] == [
        "  7: 2  8: 1",
        'db: record "b": it is not a Datum',
        "db: records 4 to 33: the page is damaged",
        'db: 1 record has another shape than 3 x 4 x 5: 1 x 4 x 5, the first is "c"; a batch takes them only with '
        "force_color or force_gray",
        "31 of 34 records cannot be used.",
    ]
    assert check_lines(survey_of(GOOD), [])[-1] == "All 1 records are good."
