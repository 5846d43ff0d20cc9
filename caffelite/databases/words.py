"""What was found in a database, in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffelite.core.container import human
from caffelite.core.errors import printable
from caffelite.core.tables import aligned, by, thousands
from caffelite.databases.record import Record, labels_text
from caffelite.databases.survey import Survey

MOST_LABELS = 100  # whose counts are printed; --json has all
MOST_LETTERS = 60  # of a key in a table
LABELS_A_LINE = 10

Fact = tuple[str, str]


def caption(record: Record) -> str:
    """Return what stands below a record's picture: its labels, or its place if it has none."""
    return labels_text(record.labels) if record.labels else f"#{record.place}"


def record_dict(record: Record) -> dict[str, Any]:
    """Return a record for JSON."""
    if record.problem:
        return {"record": record.place, "key": record.key, "bytes": record.size, "problem": printable(record.problem)}
    return {
        "record": record.place,
        "key": record.key,
        "shape": list(record.shape),
        "form": record.form,
        "labels": list(record.labels),
        "bytes": record.size,
    }


def record_lines(records: Sequence[Record]) -> list[str]:
    """Return a table of records; what cannot be used has its problem behind it."""
    rows = [("record", "key", "shape", "form", "label", "bytes")]
    for record in records:
        known = ("-", "-", "-") if record.problem else (by(record.shape), record.form, labels_text(record.labels))
        rows.append((str(record.place), _cut(record.key), *known, thousands(record.size)))
    lines = aligned(rows, right=(0, 4, 5))
    problems = ["", *(f"  {printable(record.problem)}" if record.problem else "" for record in records)]
    return [line + problem for line, problem in zip(lines, problems, strict=True)]


def info_lines(survey: Survey, facts: Sequence[Fact]) -> list[str]:
    """Return what `db info` prints."""
    part = (
        "" if survey.looked_at + survey.lost == survey.count else f", of {thousands(survey.looked_at)} of the records"
    )
    rows: list[Fact] = [("database", printable(str(survey.path))), *_head(survey), *facts]
    rows.append(("keys", f"{_cut(survey.first_key)} to {_cut(survey.last_key)}"))
    rows += [("values" if index == 0 else "", text + part) for index, text in enumerate(_shapes(survey))]
    rows.append(("labels", _labels(survey) + part))
    if survey.problems:
        bad = survey.unusable
        found = f"{thousands(bad)} of these cannot be used" if bad else "others were lost by damage"
        rows.append(("problems", f"{found}; caffelite db check names them"))
    return aligned(rows)


def check_lines(survey: Survey, facts: Sequence[Fact]) -> list[str]:
    """Return what `db check` prints: what is in the database, then what is wrong with it."""
    rows: list[Fact] = [("database", printable(str(survey.path))), *_head(survey), *facts]
    rows += [("values" if index == 0 else "", text) for index, text in enumerate(_shapes(survey))]
    rows.append(("labels", _labels(survey)))
    lines = aligned(rows) + _label_table(survey)
    name = printable(str(survey.path))
    lines += [f"{name}: {_named(record)}: {printable(record.problem)}" for record in survey.problems]
    lines += [f"{printable(file)}: {printable(problem)}" for file, problem in survey.broken_files]
    usual = survey.usual_shape
    for shape, number, key in survey.of_other_shapes():
        take = "with force_color or force_gray" if shape[:1] != usual[:1] else "with crop_size"
        count = "1 record has" if number == 1 else f"{thousands(number)} records have"
        lines.append(
            f'{name}: {count} another shape than {by(usual)}: {by(shape)}, the first is "{printable(key)}"; a batch '
            f"takes them only {take}"
        )
    bad = survey.unusable
    if not survey.is_bad:
        lines.append(f"All {thousands(survey.count)} records are good.")
    elif bad:
        lines.append(f"{thousands(bad)} of {thousands(survey.count)} records cannot be used.")
    elif survey.problems:
        lines.append(f"{thousands(survey.count)} records can be read; how many more there were is not known.")
    return lines


def _head(survey: Survey) -> list[Fact]:
    size = f", {human(survey.size)} of values" if survey.looked_at + survey.lost == survey.count else ""
    return [("kind", survey.kind), ("records", thousands(survey.count) + size)]


def _shapes(survey: Survey) -> list[str]:
    """Return a line a form and shape, the most frequent first."""
    found = sorted(survey.shapes.items(), key=lambda item: -item[1].number)
    if len(found) == 1:
        return [f"{by(shape)} {form}" for (form, shape), _ in found]
    return [f"{by(shape)} {form}: {thousands(group.number)}" for (form, shape), group in found[:MOST_LABELS]] or ["-"]


def _labels(survey: Survey) -> str:
    if survey.low is None or survey.high is None:
        return "none"
    several = {1: "", -1: "of different numbers, "}.get(survey.label_count or 1, f"{survey.label_count} each, ")
    return f"{several}{survey.low:g} to {survey.high:g}"


def _label_table(survey: Survey) -> list[str]:
    """Return the number of records of each label, several on a line; nothing if there are too many."""
    counts = sorted((survey.labels or {}).items())
    if not counts or len(counts) > MOST_LABELS or survey.label_count != 1:
        return []
    words = [f"{labels_text(labels)}: {thousands(number)}" for labels, number in counts]
    parts = [words[start : start + LABELS_A_LINE] for start in range(0, len(words), LABELS_A_LINE)]
    rows = [[*part, *[""] * (min(len(words), LABELS_A_LINE) - len(part))] for part in parts]
    return ["records of each label", *aligned(rows, indent="  ")]


def _named(record: Record) -> str:
    return record.key if not record.size else f'record "{record.key}"'


def _cut(key: str) -> str:
    return key if len(key) <= MOST_LETTERS else f"{key[: MOST_LETTERS // 2 - 1]}...{key[-MOST_LETTERS // 2 + 2 :]}"
