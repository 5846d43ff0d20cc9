import re

import pytest

from caffelite.core.errors import UsageError
from caffelite.tools.parse_log import extract_seconds, write_columns, write_csv


def dated(lines):
    """Give each line a date, one second after the other."""
    return "".join(f"I0305 10:{at // 60:02}:{at % 60:02}.000000   7 x.cpp:1] {line}\n" for at, line in enumerate(lines))


@pytest.fixture
def log(tmp_path):
    def write(*lines):
        (tmp_path / "train.log").write_text(dated(["Solving net", *lines]))
        return tmp_path / "train.log"

    return write


def written(path, **options):
    out = path.parent / "out"
    write_csv(path, out, **options)
    return {file.name: file.read_bytes().decode().split("\r\n") for file in sorted(out.iterdir())}


def display(iteration, loss, lr):
    return (
        f"Iteration {iteration} (2 iter/s, 1s/2 iters), loss = 9",
        f"    Train net output #0: loss = {loss} (* 1 = {loss} loss)",
        f"Iteration {iteration}, lr = {lr}",
    )


def scored(iteration, *values):
    names = ("acc", "loss", "extra")
    outputs = [f"    Test net output #{k}: {names[k]} = {value}" for k, value in enumerate(values)]
    return (f"Iteration {iteration}, Testing net (#0)", *outputs)


def test_the_log_of_caffe(golden_folder, tmp_path):
    """The stored log of Caffe, each line of it one second after the one before.

    Rates are those of the display before, as the specification tells of this very run: 0.1, 0.1, 0.1, 0.05.
    """
    text = (golden_folder / "cli" / "train.log").read_text()
    at = iter(range(100000))
    path = tmp_path / "train.log"
    path.write_text(re.sub("MMDD HH:MM:SS.UUUUUU TID", lambda _: f"0305 {clock(next(at))}.000000 7", text))
    found = written(path)
    assert [row.split(",")[2:] for row in found["train.log.train"][:-1]] == [
        ["LearningRate", "loss"],
        ["0.1", "1.09861"],
        ["0.1", "0.835123"],
        ["0.1", "0.450912"],
        ["0.05", "0.190333"],
    ]
    assert [row.split(",")[0] for row in found["train.log.train"][:-1]] == ["NumIters", "0.0", "2.0", "4.0", "6.0"]
    assert [[*row.split(",")[:1], *row.split(",")[2:]] for row in found["train.log.test"][:-1]] == [
        ["NumIters", "LearningRate", "accuracy", "loss"],
        ["0.0", "0.1", "0.0", "1.09861"],
        ["3.0", "0.1", "1.0", "0.631814"],
        ["6.0", "0.05", "1.0", "0.190333"],
    ]


def clock(second):
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def test_columns_and_seconds(log):
    path = log(
        *scored(0, 0.5, 2), *display(0, 2.5, 0.1), *display(2, 1.5, 1e-05), *scored(4, 1, 1.5), *display(4, 1, 0)
    )
    assert written(path) == {
        "train.log.test": [
            "NumIters,Seconds,LearningRate,acc,loss",
            "0.0,2.0,1e-05,0.5,2.0",
            "4.0,11.0,1e-05,1.0,1.5",
            "",
        ],
        "train.log.train": [
            "NumIters,Seconds,LearningRate,loss",
            "0.0,5.0,0.1,2.5",
            "2.0,8.0,0.1,1.5",
            "4.0,14.0,1e-05,1.0",
            "",
        ],
    }


def test_a_row_that_is_not_full_at_the_end_is_left_out(log):
    path = log(*scored(0, 0.1, 0.2), *scored(2, 0.3), *scored(4, 0.4, 0.5), *scored(6, 0.7))
    assert [row.split(",")[0] for row in written(path)["train.log.test"]] == ["NumIters", "0.0", "2.0", "4.0", ""]


def test_nan_and_inf_are_no_values(log):
    path = log(*scored(0, 1, 2), *scored(2, "-nan", 3), *scored(4, 5, "inf"), *scored(6, 7, 8))
    rows = written(path)["train.log.test"]
    assert rows[1:] == ["0.0,2.0,nan,1.0,2.0", "2.0,6.0,nan,,3.0", "4.0,8.0,nan,5.0,", "6.0,11.0,nan,7.0,8.0", ""]


def test_one_display_is_no_row(log, caplog):
    assert written(log(*display(0, 1, 0.1))) == {}
    assert "train.log has train outputs of one iteration only, as yet no row" in caplog.text
    assert "train.log has no outputs of kind test" in caplog.text


def test_outputs_that_the_first_row_has_not(log, caplog):
    path = log(*scored(0, 1), *scored(2, 2), "Iteration 4, Testing net (#0)", "    Test net output #0: other = 3")
    assert written(path)["train.log.test"][-2:] == ["4.0,6.0,nan,", ""]
    assert "train.log.test leaves out what the first row has not: other" in caplog.text


def test_another_delimiter(log):
    path = log(*display(0, 1, 0.1), *display(1, 1, 0.1))
    assert written(path, delimiter=";")["train.log.train"][0] == "NumIters;Seconds;LearningRate;loss"
    with pytest.raises(UsageError, match="--delimiter is ', '; use one character"):
        written(path, delimiter=", ")


def test_the_tables_of_the_shell_script(log):
    path = log(
        *scored(0, 0.5, 2.25, 7),
        *display(0, 2.5, 0.1),
        *display(100, 1.5, 1e-05),
        *scored(100, 1),
        "Iteration 100, loss = 8",
    )
    write_columns(path, path.parent)
    assert (path.parent / "train.log.test").read_text().splitlines() == [
        "#Iters Seconds TestAccuracy TestLoss",
        "0    1.000000   0.5  2.25",
        "100  11.000000  1    nan",
    ]
    assert (path.parent / "train.log.train").read_text().splitlines() == [
        "#Iters Seconds TrainingLoss LearningRate",
        "0    5.000000  9  0.1",
        "100  8.000000  8  1e-05",
    ]


def test_tables_without_rows(log):
    path = log("nothing of interest")
    write_columns(path, path.parent)
    assert (path.parent / "train.log.train").read_text() == "#Iters Seconds TrainingLoss LearningRate\n"


def test_extract_seconds(log, tmp_path):
    path = log("x", "Iteration 0", "y", "Iteration 1")
    assert extract_seconds(path, tmp_path / "seconds") == 2
    assert (tmp_path / "seconds").read_text() == "2.000000\n4.000000\n"
