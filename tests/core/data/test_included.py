import pytest

from caffelite.core.data import included


class Maker:
    def __init__(self, name):
        self.name, self.made = name, []

    def make_if_included(self, source):
        self.made.append(source)
        return source == self.name

    def command_for(self, source):
        return f"make {source}" if source == self.name else ""


@pytest.fixture
def makers(monkeypatch):
    monkeypatch.setattr(included, "_makers", [])
    made = [Maker("a"), Maker("b")]
    for maker in made:
        included.add_maker(maker)
    return made


def test_the_first_that_knows_a_database_makes_it(makers):
    assert included.make_if_included("a") and not makers[1].made
    assert included.make_if_included("b")
    assert not included.make_if_included("c")


def test_commands(makers):
    assert [included.command_for(name) for name in "abc"] == ["make a", "make b", ""]
