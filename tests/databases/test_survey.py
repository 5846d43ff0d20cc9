from collections import Counter
from pathlib import Path

from caffelite.databases.opening import opened
from caffelite.databases.record import Record
from caffelite.databases.survey import MOST_LABELS, SAMPLE, Group, Survey, survey_all, survey_some


def look(how, path):
    said = []
    with opened(path) as contents:
        return how(contents, lambda *words: said.append(words)), said


def test_all_records(mixed):
    survey, said = look(survey_all, mixed)
    assert survey.shapes == {
        ("uint8", (3, 6, 8)): Group(1, "0_a"),
        ("PNG", (3, 6, 8)): Group(1, "1_a"),
        ("JPEG", (3, 6, 8)): Group(1, "2_a"),
        ("uint8", (3, 5, 8)): Group(1, "5_a"),
    }
    assert survey.labels == Counter({(0,): 1, (1,): 1, (2,): 1, (5,): 1})
    assert (survey.low, survey.high, survey.label_count, survey.looked_at) == (0, 5, 1, 6)
    assert [record.place for record in survey.problems] == [3, 4] and survey.is_bad
    assert survey.usual_shape == (3, 6, 8) and survey.of_other_shapes() == [((3, 5, 8), 1, "5_a")]
    assert said[-1] == (6, 6)


def test_some_of_many(large):
    survey, _ = look(survey_some, large)
    assert (survey.count, survey.looked_at) == (3000, SAMPLE)
    assert (survey.first_key, survey.last_key) == ("00000", "02999")
    assert not survey.is_bad
    assert look(survey_all, large)[0].labels == Counter({(n,): 3000 // 7 + (n < 4) for n in range(7)})


def test_damage_counts_all_its_records(damaged):
    survey, _ = look(survey_all, damaged)
    assert survey.looked_at + survey.lost == 3000 and survey.is_bad and len(survey.problems) == 2
    assert 10 < survey.lost == survey.unusable and sum(survey.labels.values()) == survey.looked_at


def test_labels_of_many_kinds():
    survey = Survey("HDF5", Path("a"), 3)
    survey.add(Record(0, "a", 4, (1,), "float32", (1.5, -2)))
    survey.add(Record(1, "b", 4, (1,), "float32", (7,)))
    assert (survey.low, survey.high, survey.label_count) == (-2, 7, -1)
    for number in range(MOST_LABELS):
        survey.add(Record(number, "c", 4, (1,), "float32", (number,)))
    assert survey.labels is None and survey.high == MOST_LABELS - 1
    assert survey.as_dict()["labels"] is None
