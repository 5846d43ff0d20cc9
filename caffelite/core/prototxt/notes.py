"""What an upgrade of an old net or solver did, for the log."""

import logging
from collections.abc import Iterable

from caffelite.core.prototxt.field_path import Note

log = logging.getLogger("caffelite")


def log_notes(notes: Iterable[Note]) -> None:
    """Log what upgrade_net and upgrade_solver returned, each note with its severity."""
    for note in notes:
        log.log(logging.getLevelName(note.severity), "%s", note.text)
