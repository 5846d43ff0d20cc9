"""`caffelite db`: what databases hold."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.flags import boolean, int32
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, JSON, LAYERS, MODEL, OUTPUT, SOLVER, at_least
from caffelite.cli.streams import write_stdout
from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean

if TYPE_CHECKING:
    from caffelite.databases.record import Record

LOGGER = logging.getLogger("caffelite")
FROM = int32("from", 0, "The first record, counted from 0; below 0 from the end.")
COUNT = int32("count", 50, "How many records; with --augmented, as many as a batch has if not given.")
AUGMENTED = boolean("augmented", "Show records as the net gets them in training: cropped, mirrored, augmented.")
RGB = boolean("rgb", "The first of three channels is red, as in Caffe's CIFAR-10, and not blue.")
ACTIONS = ("info", "list", "show", "check")
NOTHING_BAD, SOMETHING_BAD = 0, 1


@command(
    "db",
    "tell, list, show or check what a database holds",
    flags=(FROM, COUNT, OUTPUT, AUGMENTED, SOLVER, MODEL, RGB, JSON, LAYERS, ALLOW_UNKNOWN_FIELDS),
    positionals="ACTION PATH",
    first_words=lambda: ACTIONS,
    flag_help={
        OUTPUT: "The picture of show, .png, .svg or .pdf; named after the database if not given.",
        SOLVER: "The solver whose net gets the records, for --augmented.",
        MODEL: "The net that gets the records, for --augmented without a solver.",
    },
)
def db(arguments: Arguments) -> int:
    """Look at a database: an LMDB or LevelDB folder, an HDF5 file, or a list of HDF5 files.

      db info PATH    kind, number of records, shapes, labels; of a large database from 2,000 records all over it
      db list PATH    key, shape, form, label and size of records
      db show PATH    a picture of records with their labels
      db check PATH   reads and decodes every record and names those that cannot be used; all must have one shape

    check has exit status 1 if it finds anything. For example:

      caffelite db show data/digits_train_lmdb --from 100 -o digits.png
      caffelite db show data/digits_train_lmdb --augmented --solver solver.prototxt
      caffelite db check data/digits_train_lmdb
    """
    action, name = arguments.positionals
    if action not in ACTIONS:
        raise UsageError(f'db has no action "{action}"{did_you_mean(action, ACTIONS) or f"; use {any_of(ACTIONS)}"}')
    at_least(arguments, COUNT, 1)
    if action == "show":
        from caffelite.pictures import require_matplotlib

        require_matplotlib()
        _show(Path(name), arguments)
        return NOTHING_BAD
    from caffelite.databases.opening import opened

    with opened(Path(name)) as contents:
        if action == "list":
            from caffelite.databases.words import record_dict, record_lines

            start, stop = _range(arguments, contents.count, arguments[COUNT])
            records = [record for portion in contents.portions(start, stop) for record in portion]
            as_json, lines = [record_dict(record) for record in records], record_lines(records)
            bad = False
        else:
            from caffelite.databases.survey import survey_all, survey_some
            from caffelite.databases.words import check_lines, info_lines

            with counting("records") as progress:
                survey = (survey_all if action == "check" else survey_some)(contents, progress)
            words = check_lines if action == "check" else info_lines
            as_json, lines = [survey.as_dict()], words(survey, contents.facts())
            bad = action == "check" and survey.is_bad
    write_stdout(
        json.dumps(as_json if action == "list" else as_json[0], indent=1) if arguments[JSON] else "\n".join(lines)
    )
    return SOMETHING_BAD if bad else NOTHING_BAD


def _range(arguments: Arguments, total: int, count: int) -> tuple[int, int]:
    """Return the places that --from and `count` name; UsageError if no record is there."""
    start = arguments[FROM] if arguments[FROM] >= 0 else max(0, total + arguments[FROM])
    if start >= total:
        raise UsageError(f"--from is {arguments[FROM]}, and the last of {total} records is number {total - 1}")
    return start, min(total, start + count)


def _show(path: Path, arguments: Arguments) -> None:
    from caffelite.databases.words import caption
    from caffelite.pictures.figure import check_path, save
    from caffelite.pictures.sheet import show_sheet

    target = arguments[OUTPUT] or f"{path.stem}{'_augmented' if arguments[AUGMENTED] else ''}.png"
    check_path(target)
    records, title, note = _augmented(path, arguments) if arguments[AUGMENTED] else _plain(path, arguments)
    for record in records:
        if record.problem:
            LOGGER.warning("%s: %s is left out: %s", path, record.key, record.problem)
    shown = [(record.pixels, caption(record)) for record in records if record.pixels is not None]
    if not shown:
        raise UsageError(f"{path}: none of the records can be shown; see caffelite db check {path}")
    save(show_sheet([image for image, _ in shown], [text for _, text in shown], title, note, arguments[RGB]), target)
    write_stdout(target)


def _plain(path: Path, arguments: Arguments) -> tuple[list[Record], str, str]:
    from caffelite.databases.opening import opened

    if arguments[SOLVER] or arguments[MODEL]:
        raise UsageError("--solver and --model are for --augmented, which shows what their net gets; write that, too")
    with opened(path) as contents:
        start, stop = _range(arguments, contents.count, arguments[COUNT])
        records = [record for portion in contents.portions(start, stop, pixels=True) for record in portion]
        return records, path.name, f"records {start} to {stop - 1} of {contents.count:,}, with their labels"


def _augmented(path: Path, arguments: Arguments) -> tuple[list[Record], str, str]:
    from caffelite.databases.augmented import DataLayerInput, NetFile

    if bool(arguments[SOLVER]) == bool(arguments[MODEL]):
        raise UsageError("--augmented shows what a net gets: give --solver=FILE or --model=FILE, one of them")
    LOGGER.setLevel(max(LOGGER.level, logging.WARNING))  # how the net is set up is not what was asked for
    net = NetFile.of_solver(Path(arguments[SOLVER])) if arguments[SOLVER] else NetFile.of_model(Path(arguments[MODEL]))
    data = DataLayerInput(path, net)
    try:
        start, count = max(0, arguments[FROM]), arguments[COUNT] if arguments.given(COUNT) else data.batch_size
        records = list(data.pictures(start, start + count))
    finally:
        data.contents.close()
    seed = "another seed in each run" if net.seed is None else f"random_seed {net.seed}"
    return records, f'{path.name} as layer "{data.layer}" gets it', f"records {start} to {start + count - 1}, {seed}"
