import pytest


@pytest.fixture
def log(folder, program, solver_with):
    """The log of a run of the program: train.log."""
    solver_with(max_iter="4", display="2", test_interval="2")
    (folder / "train.log").write_text(program("train", "--solver=solver.prototxt").err)
    return folder


def test_the_log_of_a_run(log, caffelite):
    result = caffelite("parse_log", "train.log", "out", "--verbose")
    assert (result.status, result.out) == (0, "Wrote out/train.log.train\nWrote out/train.log.test\n")
    train = (log / "out" / "train.log.train").read_text().splitlines()
    assert train[0] == "NumIters,Seconds,LearningRate,loss"
    assert [line.split(",")[0] for line in train[1:]] == ["0.0", "2.0"]
    test = (log / "out" / "train.log.test").read_text().splitlines()
    assert test[0] == "NumIters,Seconds,LearningRate,accuracy,loss"
    assert [line.split(",")[0] for line in test[1:]] == ["0.0", "2.0", "4.0"]
    assert all(line.split(",")[2] == "0.01" for line in train[1:] + test[1:])
    assert caffelite("parse_log", "train.log", ".", "--gnuplot").status == 0
    assert (log / "train.log.test").read_text().startswith("#Iters Seconds TestAccuracy TestLoss\n0  ")
    assert caffelite("extract_seconds", "train.log", "seconds").status == 0
    assert len((log / "seconds").read_text().splitlines()) == (log / "train.log").read_text().count("] Iteration")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("parse_log nowhere .", "File not found: nowhere"),
        ("parse_log net.prototxt .", 'net.prototxt: no line has the word "Solving"'),
        ("parse_log net.prototxt", "parse_log is missing OUTDIR"),
        ("parse_log net.prototxt . --delimiter=ab", "--delimiter is 'ab'"),
        ("extract_seconds nowhere out", "File not found: nowhere"),
    ],
)
def test_what_is_refused(caffelite, words, message):
    result = caffelite(*words.split())
    assert result.status == 1
    assert message in result.error


def test_a_log_that_cannot_be_read_leaves_no_folder(caffelite, folder):
    assert caffelite("parse_log", "net.prototxt", "tables/of").status == 1
    assert not (folder / "tables").exists()


@pytest.mark.parametrize("flags", [(), ("--gnuplot",)])
def test_a_file_in_the_folders_place(log, caffelite, flags):
    result = caffelite("parse_log", str(log / "train.log"), "solver.prototxt", *flags)
    assert result.error.endswith("solver.prototxt is not a folder; name one for the tables")
