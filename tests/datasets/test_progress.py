from caffelite.datasets import progress
from caffelite.datasets.progress import Progress


def test_a_total_that_is_not_known(monkeypatch, caplog):
    monkeypatch.setattr(progress, "AGAIN", 0.0)
    caplog.set_level("INFO", "caffelite")
    Progress("Downloading", None, "bytes").reached(8000)
    assert caplog.messages == ["Downloading: 8000 bytes"]


def test_a_word_now_and_then(monkeypatch, caplog):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    caplog.set_level("INFO", "caffelite")
    writing = Progress("Writing data/x", 60000, "records")
    for done in range(1, 11):
        now += 0.5
        writing.reached(done * 1000)
    assert caplog.messages == [f"Writing data/x: {done} of 60000 records" for done in (3000, 6000, 9000)]
