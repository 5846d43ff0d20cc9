import contextlib
import logging
import os
import re
import shutil
import subprocess
import threading
import warnings

import pytest

from caffelite.cli import glog
from caffelite.cli.command import Arguments
from caffelite.cli.flags import FlagError
from caffelite.core.errors import UsageError

LOGGER = logging.getLogger("caffelite")
# what Caffe's extract_seconds.py and parse_log.py look for
LINE = re.compile(r"([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) +(\d+) (\S+:\d+)\] (.*)")


def log_everything():
    LOGGER.debug("a detail")
    LOGGER.info("information")
    LOGGER.warning("a warning")
    LOGGER.error("an error")


def logged(capsys, values=()):
    with glog.installed(Arguments(dict(values), [])):
        log_everything()
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_a_line_is_glogs(capsys):
    first = logged(capsys).splitlines()[0]
    letter, _, _, hour, _, _, _, thread, place, text = LINE.fullmatch(first).groups()
    assert (letter, text) == ("I", "information")
    assert int(hour) < 24
    assert int(thread) == threading.get_native_id()
    assert place.startswith("test_glog.py:")


def test_levels_have_letters(capsys):
    assert [line[0] for line in logged(capsys).splitlines()] == ["I", "W", "E"]


def test_a_short_thread_id_is_padded(capsys, monkeypatch):
    monkeypatch.setattr(threading, "get_native_id", lambda: 7)
    assert " " * 5 + "7 test_glog.py:" in logged(capsys)


@pytest.mark.parametrize(("level", "letters"), [(0, "IWE"), (1, "WE"), (2, "E"), (3, ""), (9, "")])
def test_minloglevel(capsys, level, letters):
    assert "".join(line[0] for line in logged(capsys, {glog.MINLOGLEVEL: level}).splitlines()) == letters


def test_stderrthreshold_without_alsologtostderr(capsys):
    assert "".join(line[0] for line in logged(capsys, {glog.ALSOLOGTOSTDERR: False}).splitlines()) == "E"
    values = {glog.ALSOLOGTOSTDERR: False, glog.STDERRTHRESHOLD: 1}
    assert "".join(line[0] for line in logged(capsys, values).splitlines()) == "WE"


def test_the_environment_gives_defaults(capsys, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "2")
    assert [line[0] for line in logged(capsys).splitlines()] == ["E"]
    assert [line[0] for line in logged(capsys, {glog.MINLOGLEVEL: 1}).splitlines()] == ["W", "E"]


def test_nonsense_in_the_environment_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "loud")
    with pytest.raises(FlagError, match="illegal value 'loud' specified for int32 flag 'minloglevel'"):
        logged(capsys)


def test_log_dir_has_a_file_for_each_level_and_links(capsys, tmp_path):
    logged(capsys, {glog.LOG_DIR: str(tmp_path)})
    for level, count in (("INFO", 3), ("WARNING", 2), ("ERROR", 1)):
        link = tmp_path / f"caffelite.{level}"
        assert re.fullmatch(rf"caffelite\..+\..+\.log\.{level}\.\d{{8}}-\d{{6}}\.{os.getpid()}", link.resolve().name)
        header, lines = link.read_text().splitlines()[:3], link.read_text().splitlines()[3:]
        assert header[0].startswith("Log file created at: ")
        assert len([line for line in lines if LINE.fullmatch(line)]) == count


def test_a_level_that_never_came_has_no_file(capsys, tmp_path):
    with glog.installed(Arguments({glog.LOG_DIR: str(tmp_path)}, [])):
        LOGGER.info("information")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_symlink()) == ["caffelite.INFO"]


def test_logtostderr_makes_no_files(capsys, tmp_path):
    err = logged(capsys, {glog.LOG_DIR: str(tmp_path), glog.LOGTOSTDERR: True})
    assert len(err.splitlines()) == 3
    assert list(tmp_path.iterdir()) == []


def test_log_dir_must_exist(capsys, tmp_path):
    with pytest.raises(UsageError, match="--log_dir is .*nowhere, which is no folder; make it first"):
        logged(capsys, {glog.LOG_DIR: str(tmp_path / "nowhere")})


def test_what_ends_the_program_is_no_log_line_but_stands_in_files(capsys, tmp_path):
    with glog.installed(Arguments({glog.LOG_DIR: str(tmp_path)}, [])):
        LOGGER.critical("%s", "no such net")
    assert capsys.readouterr().err == "caffelite: error: no such net\n"
    assert re.search(r"^F\d{4} .*\] no such net$", (tmp_path / "caffelite.ERROR").read_text(), re.MULTILINE)


def test_python_warnings_are_log_lines(capsys):
    with glog.installed(Arguments({}, [])):
        warnings.simplefilter("always")
        warnings.warn("the disk is nearly full", stacklevel=1)
    assert re.fullmatch(r"W.*\] the disk is nearly full\n", capsys.readouterr().err)


def test_the_logger_is_left_as_it_was(capsys):
    before = LOGGER.level, LOGGER.propagate, list(LOGGER.handlers)
    logged(capsys)
    assert (LOGGER.level, LOGGER.propagate, list(LOGGER.handlers)) == before


def lost_log(capsys, folder, lose):
    """Log with files in `folder`, which `lose()` makes impossible meanwhile; return the lines on stderr."""
    with glog.installed(Arguments({glog.LOG_DIR: str(folder)}, [])):
        LOGGER.info("before")
        lose()
        log_everything()
        log_everything()
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("loss", ["removed", "full", "read-only"])
def test_a_lost_log_dir_costs_one_warning(capsys, request, tmp_path, loss):
    folder = tmp_path / "log" if loss == "removed" else request.getfixturevalue("small_disk")
    folder.mkdir(exist_ok=True)
    ways = {
        "removed": (lambda: shutil.rmtree(folder), "No such file or directory"),
        "full": (lambda: fill(folder), "No space left on device"),
        "read-only": (lambda: subprocess.run(["mount", "-o", "remount,ro", folder]), "Read-only file system"),
    }
    lose, reason = ways[loss]
    lines = lost_log(capsys, folder, lose)
    said = [line for line in lines if "--log_dir" in line]
    assert len(said) == 1
    assert said[0].startswith("W") and f"takes no more of the log ({reason}); going on without" in said[0]
    assert len(lines) == 1 + 2 * 3 + 1


def fill(folder):
    with contextlib.suppress(OSError), open(folder / "filling", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    # The last page of a log may have room still.
    for path in folder.glob("caffelite.*.log.*"):
        with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
            while True:
                file.write(b"x")


def test_a_log_dir_that_is_full_from_the_start_costs_no_training(program, folder, full_disk):
    result = program("train", "--solver=solver.prototxt", f"--log_dir={full_disk}")
    assert result.status == 0
    assert sum("takes no more of the log (No space left on device)" in text for text in result.texts) == 1
    assert result.texts[-1] == "Optimization Done."


def test_names_that_are_no_text_are_logged(capsys, tmp_path):
    with glog.installed(Arguments({glog.LOG_DIR: str(tmp_path), glog.ALSOLOGTOSTDERR: False}, [])):
        LOGGER.info("file %s", "\udcff")
    assert r"file \udcff" in (tmp_path / "caffelite.INFO").read_text()


def setup_and_result():
    with glog.setting_up():
        glog.LOGGER.info("Creating layer ip")
        glog.LOGGER.warning("a field is not read")
    glog.LOGGER.info("loss = 0.5")


def test_quiet_leaves_out_the_setup_on_stderr_only(tmp_path, capsys):
    with glog.installed(Arguments({glog.QUIET: True, glog.LOG_DIR: str(tmp_path)}, [])):
        setup_and_result()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["a field is not read", "loss = 0.5"]
    assert "Creating layer ip" in (tmp_path / "caffelite.INFO").read_text()
    with glog.installed(Arguments({}, [])):
        setup_and_result()
    assert "Creating layer ip" in capsys.readouterr().err
