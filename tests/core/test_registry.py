import pytest

from caffelite.core.errors import CaffeliteError, UnknownNameError
from caffelite.core.registry import Registry


@pytest.fixture
def colours():
    registry = Registry("colour")
    registry.register("red")(1)
    registry.register("Blue")(2)
    return registry


def test_finds_what_was_registered(colours):
    assert colours["red"] == 1
    assert "red" in colours
    assert "green" not in colours


def test_registering_returns_the_member():
    def paint():
        return 3

    assert Registry("colour").register("green")(paint) is paint


def test_names_come_in_ascii_order(colours):
    assert list(colours) == ["Blue", "red"]


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known(colours):
    with pytest.raises(UnknownNameError) as caught:
        colours["reed"]
    assert str(caught.value) == 'Unknown colour: reed; did you mean "red"? (known: Blue, red)'
    assert isinstance(caught.value, CaffeliteError)
    assert isinstance(caught.value, KeyError)


def test_an_unlike_name_gets_no_guess(colours):
    with pytest.raises(UnknownNameError, match=r"^Unknown colour: xyz \(known: Blue, red\)$"):
        colours["xyz"]


def test_a_name_is_taken_once(colours):
    with pytest.raises(AssertionError, match="colour red is registered twice"):
        colours.register("red")(4)
    assert colours["red"] == 1
