from pathlib import Path

import pytest

from caffelite import examples

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An installed package with one example."""
    package = tmp_path / "site-packages" / "caffelite"
    for name, text in (
        (
            "solvers/one.prototxt",
            "# One.\n# caffelite dataset mnist && caffelite train --solver solvers/one.prototxt\n",
        ),
        ("solvers/one_lr1.prototxt", "# One more.\n# caffelite train --solver solvers/one_lr1.prototxt\n"),
        ("solvers/two.prototxt", "# Two.\n# caffelite train --solver solvers/two.prototxt\n"),
        ("models/one/net.prototxt", 'name: "one"\n'),
        ("models/one/readme.md", "# One\n"),
        ("models/two/net.prototxt", 'name: "two"\n'),
    ):
        path = package / "examples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        net = f'net: "models/{path.stem[:3]}/net.prototxt"\n' if name.startswith("solvers") else ""
        path.write_text(text + net)
    monkeypatch.setattr(examples, "PACKAGE", package)
    return package


def copied(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


ALL_OF_ONE = ["models/one/net.prototxt", "models/one/readme.md", "solvers/one.prototxt", "solvers/one_lr1.prototxt"]


def test_lists_what_there_is(caffelite, installed):
    result = caffelite("example")
    assert [line.split() for line in result.out.splitlines()] == [
        ["one", "One."],
        ["one_lr1", "One", "more."],
        ["two", "Two."],
    ]


def test_the_examples_are_the_solvers_of_the_sources(caffelite):
    names = [line.split()[0] for line in caffelite("example").out.splitlines()]
    assert names == sorted(path.stem for path in (ROOT / "solvers").glob("*.prototxt"))


def test_copies_the_solvers_of_a_net_the_net_and_its_readme(caffelite, installed, tmp_path):
    result = caffelite("example", "one", "a b")
    assert (result.status, result.err) == (0, "")
    assert copied(tmp_path / "a b") == ALL_OF_ONE
    *paths, command = result.out.splitlines()
    assert sorted(paths) == [f"a b/{name}" for name in ALL_OF_ONE]
    assert command == "To train it: caffelite dataset mnist && caffelite train --solver 'a b/solvers/one.prototxt'"


def test_copies_to_the_working_directory_and_again(caffelite, installed, tmp_path):
    assert caffelite("example", "one_lr1").status == 0
    assert set(ALL_OF_ONE) <= set(copied(tmp_path))
    assert caffelite("example", "one").out.endswith(
        "\nTo train it: caffelite dataset mnist && caffelite train --solver solvers/one.prototxt\n"
    )


def test_what_the_user_changed_is_kept(caffelite, installed, tmp_path):
    (tmp_path / "models" / "one").mkdir(parents=True)
    (tmp_path / "models" / "one" / "net.prototxt").write_text("mine")
    result = caffelite("example", "one")
    assert result.status == 1
    assert (
        result.error
        == "caffelite: error: models/one/net.prototxt is already there, and another; name a FOLDER to copy to"
    )
    assert (tmp_path / "models" / "one" / "net.prototxt").read_text() == "mine"
    assert not (tmp_path / "solvers").exists()


def test_an_unknown_name_gets_the_nearest(caffelite, installed):
    assert 'Unknown example: tow; did you mean "two"?' in caffelite("example", "tow").error
