from caffelite.core.prototxt.field_path import Note
from caffelite.core.prototxt.notes import log_notes


def test_notes_are_logged_with_their_severity(caplog):
    caplog.set_level("INFO", "caffelite")
    log_notes([Note("INFO", "100% upgraded"), Note("ERROR", "lost: %s")])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "100% upgraded"),
        ("ERROR", "lost: %s"),
    ]
