"""The report of a test: how well a net does, class by class, and where it is wrong."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from caffelite.core.errors import UsageError
from caffelite.core.files import open_file, require_file
from caffelite.core.weights.atomic import replacing
from caffelite.reports.calibration import calibration_html
from caffelite.reports.confusion import MOST_IN_TABLE, confusion_html, shortened
from caffelite.reports.evaluation import TOP_K, Evaluation
from caffelite.reports.metrics import BINS, frequent_mistakes
from caffelite.reports.page import Html, fill, joined, table, write_page
from caffelite.reports.png import png_address

MOST_MISTAKES = 36  # that are shown
MOST_WRONG_LABELS = 24
LONGEST_NAME = 40  # letters of a class's name below a picture
MOST_CONFUSIONS = 15
MOST_WORST = 15  # classes
CSV_HEAD = (
    *("item", "key", "label", "label_name", "suggested", "suggested_name"),
    *("label_probability", "suggested_probability"),
)


class TestReport:
    """Makes the page of an evaluation, and the list of probable wrong labels. `facts` say what was tested, in order."""

    __test__ = False  # for pytest, no test

    def __init__(
        self, evaluation: Evaluation, title: str, facts: Sequence[tuple[str, str]], names: Sequence[str]
    ) -> None:
        """`names` are those of the classes, none or as many as there are."""
        self.evaluation, self.title, self.facts = evaluation, title, facts
        count = evaluation.scored.classes
        self.names = [f"{number} {name}" for number, name in enumerate(names)] or [str(n) for n in range(count)]

    def write(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the page, and beside it the list of labels, if there is one; return their paths.

        Raises UsageError if nothing was tested, WeightsError if the system refuses.
        """
        if not self.evaluation.count:
            raise UsageError("nothing was tested, so there is no report; use --iterations=1 or more")
        target = Path(path)
        written = [target]
        if self.evaluation.has_items:
            written.append(target.with_name(f"{target.stem}_wrong_labels.csv"))
            with replacing(written[1]) as file:
                file.write(self.wrong_labels_csv().encode(errors="backslashreplace"))
        write_page(target, self.title, "; ".join(f"{name} {value}" for name, value in self.facts), self.body())
        return written

    def body(self) -> Html:
        """Return what stands below the title."""
        parts = [self._tiles(), self._confusion(), self._classes(), self._calibration()]
        if self.evaluation.has_items:
            parts += [self._mistakes(), self._wrong_labels()]
        return joined(parts)

    def wrong_labels_csv(self) -> str:
        """Return all probable wrong labels, the most certain first, with a line of heads."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CSV_HEAD)
        found, evaluation = self.evaluation.wrong_labels, self.evaluation
        for entry, suggested in zip(found.items.tolist(), found.suggested.tolist(), strict=True):
            label, number = int(evaluation.labels[entry]), int(evaluation.numbers[entry])
            item = evaluation.items.get(number)
            probabilities = evaluation.of_label[entry], evaluation.probability(entry, suggested)
            names = (label, self._name(label), suggested, self._name(suggested))
            writer.writerow((number, item.name if item else "", *names, *(f"{p:.6g}" for p in probabilities)))
        return out.getvalue()

    def _name(self, label: int) -> str:
        return self.names[label].partition(" ")[2]

    def _tiles(self) -> Html:
        evaluation = self.evaluation
        precision, recall, f1 = evaluation.classes.macro()
        tiles = [(f"{evaluation.accuracy:.2%}", "accuracy")]
        if evaluation.has_top:
            tiles.append((f"{evaluation.top(TOP_K):.2%}", f"label among the best {TOP_K}"))
        tiles += [
            (f"{f1:.4f}", "F1, mean of the classes"),
            (f"{evaluation.log_loss:.4f}", "log loss"),
            (f"{evaluation.reliability.ece:.4f}", "calibration error (ECE)"),
            (f"{evaluation.count:,}", "items" if evaluation.has_items else "positions"),
            (f"{int((~evaluation.right).sum()):,}", "mistakes"),
        ]
        return Html(f'<div class="tiles">{joined(fill("tile.html", value=v, label=name) for v, name in tiles)}</div>')

    def _confusion(self) -> Html:
        evaluation = self.evaluation
        content = [confusion_html(evaluation.confusion, self.names)]
        mistakes = frequent_mistakes(evaluation.confusion, MOST_CONFUSIONS)
        if mistakes:
            rows = [
                (self.names[i], self.names[j], f"{times:,}", f"{times / evaluation.classes.support[i]:.1%}")
                for i, j, times in mistakes
            ]
            head = ("label", "taken for", "times", "of the label")
            content.append(Html(f"<h3>The most frequent mistakes</h3>{table(head, rows, words=(0, 1))}"))
        note = "Rows are labels, columns what the net says; colours are shares of a row." if mistakes else "No mistake."
        return fill("section.html", name="confusion", heading="Confusion", note=note, content=joined(content))

    def _classes(self) -> Html:
        figures = self.evaluation.classes
        note = "Precision: how often the net is right when it says the class. Recall: how often it finds the class."
        head = ("class", "precision", "recall", "F1", "labels (support)", "predicted")
        total = f"{self.evaluation.count:,}"
        named = (("mean of the classes", figures.macro()), ("mean of the items", figures.weighted()))
        means = [(name, *(f"{value:.4f}" for value in values), total, total) for name, values in named]
        rows = [self._class_row(number) for number in range(len(self.names))]
        content = table(head, [*rows, *means])
        if len(rows) > MOST_IN_TABLE:
            worst = sorted(range(len(rows)), key=lambda i: (figures.support[i] == 0, figures.f1[i]))[:MOST_WORST]
            note += f" Of {len(rows):,} classes those with the lowest F1 are shown."
            folded = fill("fold.html", state="", summary="All classes", content=content)
            content = joined([table(head, [*(rows[number] for number in worst), *means]), folded])
        return fill("section.html", name="classes", heading="Class by class", note=note, content=content)

    def _class_row(self, number: int) -> tuple[str, ...]:
        figures = self.evaluation.classes
        support, predicted = int(figures.support[number]), int(figures.predicted[number])
        return (
            self.names[number],
            f"{figures.precision[number]:.4f}" if predicted else "-",
            f"{figures.recall[number]:.4f}" if support else "-",
            f"{figures.f1[number]:.4f}" if support + predicted else "-",
            f"{support:,}",
            f"{predicted:,}",
        )

    def _calibration(self) -> Html:
        evaluation = self.evaluation
        found, scored = evaluation.reliability, evaluation.scored
        note = (
            "Whether the net is right as often as it is sure: on the dashed line it is, below it is too sure. The "
            f"expected calibration error (ECE) is {found.ece:.4f}: the mean difference over the items, in {BINS} bins; "
            f"the largest of a bin is {found.worst:.4f}."
        )
        if not scored.are_probabilities and not scored.has_softmax:
            note += " The net has no softmax of these scores; probabilities here are those that a softmax would give."
        content = calibration_html(found)
        return fill("section.html", name="calibration", heading="Calibration", note=note, content=content)

    def _mistakes(self) -> Html:
        evaluation = self.evaluation
        entries = evaluation.worst_mistakes(MOST_MISTAKES).tolist()
        cards = [self._card(entry, int(evaluation.predicted[entry]), "says") for entry in entries]
        count = int((~evaluation.right).sum())
        shown = f"{len(cards):,} of {count:,} mistakes" if len(cards) < count else f"All {count:,} mistakes"
        note = f"{shown}, the one about which the net was surest first." if count else "None."
        content = Html(f'<div class="cards">{joined(cards)}</div>')
        return fill("section.html", name="mistakes", heading="The worst mistakes", note=note, content=content)

    def _wrong_labels(self) -> Html:
        found = self.evaluation.wrong_labels
        pairs = list(zip(found.items.tolist(), found.suggested.tolist(), strict=True))
        cards = [self._card(entry, suggested, "seems") for entry, suggested in pairs[:MOST_WRONG_LABELS]]
        note = (
            f"{len(pairs):,} items look like another class as surely as its own items do on average (confident "
            f"learning); {len(cards):,} are shown, all are in the CSV file beside this page. Look before changing one: "
            "a net that was trained on these items has learned their wrong labels, too."
            if pairs
            else "None was found: no item looks like another class as surely as its own items do on average."
        )
        content = Html(f'<div class="cards">{joined(cards)}</div>')
        return fill("section.html", name="labels", heading="Probable wrong labels", note=note, content=content)

    def _card(self, entry: int, other: int, verb: str) -> Html:
        evaluation = self.evaluation
        number = int(evaluation.numbers[entry])
        item = evaluation.items.get(number)
        picture = Html('<div class="blank"></div>')
        if item is not None and item.picture is not None:
            picture = Html(f'<img alt="item {number}" src="{png_address(item.picture)}">')
        label = int(evaluation.labels[entry])
        return fill(
            "card.html",
            picture=picture,
            first=f"label {shortened(self.names[label], LONGEST_NAME)}: {evaluation.of_label[entry]:.1%}",
            second=f"{verb} {shortened(self.names[other], LONGEST_NAME)}: {evaluation.probability(entry, other):.1%}",
            third=f"item {number}" + (f", {item.name}" if item and item.name else ""),
        )


def read_names(path: str, classes: int) -> list[str]:
    """Return the names of the classes, a line each; UsageError unless there are as many."""
    require_file(path, "labels")
    with open_file(path) as file:
        names = file.readall().decode("utf-8", "backslashreplace").splitlines()
    if len(names) != classes:
        raise UsageError(
            f"--labels: {path} has {len(names)} lines, and the net has {classes} classes; write one a line"
        )
    return names
