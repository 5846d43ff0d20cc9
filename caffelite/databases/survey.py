"""Looking through a database: what its records are, how many of each label, and which cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelite.core.blob import Shape
from caffelite.core.errors import printable
from caffelite.databases.record import Contents, Labels, Record

SAMPLE = 2000  # records that `info` looks at, if there are more
SAMPLE_PARTS = 40  # so many places of the database they are from
MOST_LABELS = 10_000  # different labels that are counted; of more only the range is known

Progress = Callable[[int, int], None]


@dataclass
class Group:
    """Records of one form and shape: how many there are, and the key of the first."""

    number: int
    first_key: str


@dataclass
class Survey:
    """What was found in the records that were looked at.

    shapes: the records of each form and shape. labels: how many records have each label; None if there are too many
    different ones. label_count: how many labels a record has, -1 if that differs. broken_files: files of a list that
    cannot be read, with the reason. lost: records on damaged pages, which were not found.
    """

    kind: str
    path: Path
    count: int
    looked_at: int = 0
    size: int = 0
    first_key: str = ""
    last_key: str = ""
    shapes: dict[tuple[str, Shape], Group] = field(default_factory=dict)
    labels: Counter[Labels] | None = field(default_factory=Counter)
    label_count: int | None = None
    low: float | None = None
    high: float | None = None
    problems: list[Record] = field(default_factory=list)
    broken_files: list[tuple[str, str]] = field(default_factory=list)
    lost: int = 0

    @property
    def unusable(self) -> int:
        """How many of the records that were to be looked at cannot be used, the lost ones with them."""
        return sum(record.number for record in self.problems) + self.lost

    @property
    def is_bad(self) -> bool:
        """Whether anything was found that should not be."""
        return bool(self.problems or self.broken_files or len(self.sizes) > 1)

    def add(self, record: Record) -> None:
        """Take up one record."""
        self.looked_at += record.number
        self.size += record.size
        if record.problem:
            self.problems.append(record)
            return
        self.shapes.setdefault((record.form, record.shape), Group(0, record.key)).number += 1
        self._add_labels(record.labels)

    def _add_labels(self, labels: Labels) -> None:
        count = len(labels)
        self.label_count = count if self.label_count in (None, count) else -1
        for label in labels:
            self.low = label if self.low is None else min(self.low, label)
            self.high = label if self.high is None else max(self.high, label)
        if self.labels is not None and labels:
            self.labels[labels] += 1
            if len(self.labels) > MOST_LABELS:
                self.labels = None

    @property
    def sizes(self) -> Counter[Shape]:
        """How many records are of each shape, whatever their form."""
        found: Counter[Shape] = Counter()
        for (_, shape), group in self.shapes.items():
            found[shape] += group.number
        return found

    @property
    def usual_shape(self) -> Shape:
        """The most frequent shape; () if no record can be used."""
        sizes = self.sizes
        return max(sizes, key=lambda shape: sizes[shape], default=())

    def of_other_shapes(self) -> list[tuple[Shape, int, str]]:
        """Return the shapes besides the most frequent one: number of records, and the key of the first."""
        usual = self.usual_shape
        first: dict[Shape, str] = {}
        for (_, shape), group in self.shapes.items():
            first.setdefault(shape, group.first_key)
        return [(shape, number, first[shape]) for shape, number in self.sizes.items() if shape != usual]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        labels = sorted((self.labels or {}).items())
        return {
            "path": str(self.path),
            "kind": self.kind,
            "records": self.count,
            "looked_at": self.looked_at,
            "bytes": self.size,
            "first_key": self.first_key,
            "last_key": self.last_key,
            "shapes": [
                {"form": form, "shape": list(shape), "records": group.number, "first": group.first_key}
                for (form, shape), group in self.shapes.items()
            ],
            "labels_per_record": self.label_count,
            "label_range": None if self.low is None else [self.low, self.high],
            "labels": None
            if self.labels is None
            else [{"label": list(label) if len(label) > 1 else label[0], "records": n} for label, n in labels],
            "lost": self.lost,
            "problems": [
                {"record": record.place, "key": record.key, "problem": printable(record.problem)}
                for record in self.problems
            ],
            "broken_files": [{"file": file, "problem": printable(problem)} for file, problem in self.broken_files],
        }


def survey_all(contents: Contents, progress: Progress) -> Survey:
    """Look at every record; those that cannot be used are in `problems`."""
    return _survey(contents, [(0, contents.count)], progress)


def survey_some(contents: Contents, progress: Progress) -> Survey:
    """Look at every record, or at SAMPLE of them, in groups that are spread evenly, the last record among them."""
    if contents.count <= SAMPLE:
        return survey_all(contents, progress)
    size = SAMPLE // SAMPLE_PARTS
    last = contents.count - size
    starts = [part * last // (SAMPLE_PARTS - 1) for part in range(SAMPLE_PARTS)]
    return _survey(contents, [(start, start + size) for start in starts], progress)


def _survey(contents: Contents, ranges: list[tuple[int, int]], progress: Progress) -> Survey:
    survey = Survey(contents.kind, contents.path, contents.count, broken_files=contents.broken)
    total = sum(stop - start for start, stop in ranges)
    record = None
    for record in _records(contents, ranges):
        if record.place == 0 and record.number:
            survey.first_key = record.key
        survey.add(record)
        progress(survey.looked_at, total)
    if record is not None:
        survey.last_key = record.key
    survey.lost = total - survey.looked_at
    return survey


def _records(contents: Contents, ranges: list[tuple[int, int]]) -> Iterator[Record]:
    for start, stop in ranges:
        for portion in contents.portions(start, stop):
            yield from portion
