from pathlib import Path

import pytest

from caffelite import examples

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = 'from pathlib import Path\nprint("of", Path(__file__).parent.name)\n'


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An installed package with two lessons."""
    package = tmp_path / "site-packages" / "caffelite"
    for name in ("one", "two"):
        folder = package / "examples" / "models" / "lessons" / name
        folder.mkdir(parents=True)
        (folder / "lesson.md").write_text(f"# Lesson {name}\n\nText.\n")
        (folder / "lesson.py").write_text(SCRIPT)
        (folder / "net.prototxt").write_text('name: "net"\n')
        (folder / "__pycache__").mkdir()
    monkeypatch.setattr(examples, "PACKAGE", package)
    return package


def test_lists_the_lessons(caffelite, installed):
    assert [line.split(maxsplit=1) for line in caffelite("lesson").out.splitlines()] == [
        ["one", "Lesson one"],
        ["two", "Lesson two"],
    ]


def test_the_lessons_are_those_of_the_sources(caffelite):
    names = [line.split()[0] for line in caffelite("lesson").out.splitlines()]
    assert names == sorted(path.parent.name for path in (ROOT / "models" / "lessons").glob("*/lesson.py"))


def test_runs_one(caffelite, installed):
    result = caffelite("lesson", "two")
    assert (result.status, result.out, result.err) == (0, "of two\n", "")


def test_copies_one_and_says_how_to_run_it(caffelite, installed, tmp_path):
    result = caffelite("lesson", "one", "--copy=my lessons")
    files = ["lesson.md", "lesson.py", "net.prototxt"]
    assert result.out.splitlines() == [
        *(f"my lessons/one/{name}" for name in files),
        "To run it: python 'my lessons/one/lesson.py'",
    ]
    assert sorted(path.name for path in (tmp_path / "my lessons" / "one").iterdir()) == files
    (tmp_path / "my lessons" / "one" / "lesson.py").write_text("mine")
    assert "my lessons/one/lesson.py is already there" in caffelite("lesson", "one", "--copy=my lessons").error


def test_copies_the_program_of_a_lesson_too(caffelite, tmp_path):
    result = caffelite("lesson", "tiny_caffe", "--copy=mine")
    assert "mine/tiny_caffe.py" in result.out.splitlines()
    assert (tmp_path / "mine" / "tiny_caffe.py").read_bytes() == (
        ROOT / "models" / "lessons" / "tiny_caffe.py"
    ).read_bytes()


def test_refuses_what_it_cannot_do(caffelite, installed):
    assert 'Unknown lesson: tow; did you mean "two"?' in caffelite("lesson", "tow").error
    assert "--copy needs the name of a lesson" in caffelite("lesson", "--copy=here").error
