"""Every log line that Caffe prints, too, says the file and line of Caffe, as in the logs that Caffe left us."""

import logging
import re

import pytest

from caffelite.caffe_places import caffe_place

PLACED = re.compile(r"[IW](?:MMDD \S+ TID|\d{4} \S+ +\d+) ([^ \]]+:\d+)\] (.*)")
# The lines that scripts look for have the numbers of the release 1.0, a little before the version of the stored logs.
RELEASE = {
    "solver.cpp:239": "solver.cpp:218",
    "solver.cpp:258": "solver.cpp:237",
    "solver.cpp:347": "solver.cpp:330",
    "solver.cpp:414": "solver.cpp:397",
    "sgd_solver.cpp:112": "sgd_solver.cpp:105",
}
SPEEDS = re.compile(r"\([^)]* iter/s, [^)]*s/|[^ ]+ ms\.|loss = .*|Loss: .*")


def placed(log):
    """(place, text) of each line of a log, without speeds, times and losses."""
    found = [match.groups() for line in log.splitlines() if (match := PLACED.match(line))]
    return [(RELEASE.get(place, place), SPEEDS.sub("#", text)) for place, text in found]


def without_inner_layer(lines):
    """Leave out the layer that Caffe's loss makes inside itself."""
    pairs = zip(lines, [*lines[1:], ("", "")], strict=True)
    return [
        (place, text)
        for (place, text), (_, following) in pairs
        if not (text.startswith("Creating layer ") and following == text.replace("Creating layer", "Setting up"))
    ]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("train", ("train", "--solver=solver.prototxt")),
        ("train_resume", ("train", "--solver=solver.prototxt", "--snapshot=constant_iter_5.solverstate")),
        ("test", ("test", "-model=net.prototxt", "-weights=constant_iter_5.caffemodel", "-iterations=3")),
        ("time", ("time", "-model=net.prototxt", "-iterations=2")),
    ],
)
def test_places_are_caffes(caffelite, golden_cli, golden_folder, log, words):
    result = caffelite(*words)
    ours = [line for line in placed(result.err) if not line[1].startswith("restored from a snapshot")]
    assert ours == without_inner_layer(placed((golden_folder / "cli" / f"{log}.log").read_text()))


@pytest.mark.parametrize("name", ["v0_net", "v1_net", "input_fields", "input_shapes", "v0_data_kinds"])
def test_places_of_upgrades_are_caffes(caffelite, folder, golden_folder, name):
    (folder / f"{name}.prototxt").write_text((golden_folder / "cli" / "upgrade" / f"{name}.prototxt").read_text())
    result = caffelite("upgrade", "net", f"{name}.prototxt", f"{name}_upgraded.prototxt")
    log = (golden_folder / "cli" / "upgrade" / f"{name}.log").read_text().splitlines()
    assert placed(result.err) == placed("\n".join(line for line in log if not line.startswith("W")))


def test_our_own_lines_keep_our_place():
    record = logging.LogRecord("caffelite", logging.INFO, "caffelite/core/x.py", 7, "what Caffe never says", None, None)
    assert caffe_place(record) == "x.py:7"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Iteration 100 (50.5 iter/s, 1.98s/100 iters), loss = 0.25", "solver.cpp:218"),
        ("    Train net output #0: loss = 0.25 (* 1 = 0.25 loss)", "solver.cpp:237"),
        ("Iteration 100, Testing net (#0)", "solver.cpp:330"),
        ("    Test net output #1: loss = 0.25 (* 1 = 0.25 loss)", "solver.cpp:397"),
        ("Iteration 100, lr = 0.01", "sgd_solver.cpp:105"),
        ("Iteration 100, loss = 0.2", "solver.cpp:310"),
    ],
)
def test_the_lines_that_scripts_look_for(text, place):
    assert caffe_place(logging.LogRecord("caffelite", logging.INFO, "log.py", 1, text, None, None)) == place
