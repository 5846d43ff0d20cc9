import pytest

from caffelite.cli.flags import FlagError, boolean, int32, parse, string

MODEL = string("model", "", "The model.")
PHASE = string("phase", "", "The phase.", choices=("TRAIN", "TEST"))
COUNT = int32("test_count", 50, "How many.")
QUIET = boolean("quiet_run", "Say less.")
KNOWN = {flag.name: flag for flag in (MODEL, PHASE, COUNT, QUIET)}


def values(*words):
    given, positionals = parse(words, KNOWN)
    return {flag.name: value for flag, value in given.items()}, positionals


@pytest.mark.parametrize("words", [["-model=a"], ["--model=a"], ["-model", "a"], ["--model", "a"]])
def test_four_ways_to_give_a_value(words):
    assert values(*words) == ({"model": "a"}, [])


@pytest.mark.parametrize("word", ["--test_count=3", "--test-count=3", "-test-count=3"])
def test_minus_and_underscore_are_alike_in_names(word):
    assert values(word) == ({"test_count": 3}, [])


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("-3", -3), ("+7", 7), ("0x10", 16), ("010", 10), ("2147483647", 2**31 - 1)]
)
def test_int32(text, value):
    assert values("--test_count", text) == ({"test_count": value}, [])


@pytest.mark.parametrize("text", ["abc", "", "1.5", "1e3", " 1", "2147483648", "0x", "1_000"])
def test_illegal_int32(text):
    with pytest.raises(FlagError, match=f"^illegal value '{text}' specified for int32 flag 'test_count'$"):
        values(f"--test_count={text}")


@pytest.mark.parametrize("text", ["true", "T", "1", "yes", "Y"])
def test_true(text):
    assert values(f"--quiet_run={text}") == ({"quiet_run": True}, [])


@pytest.mark.parametrize(
    "word", ["--quiet_run=false", "--quiet-run=F", "--quiet_run=0", "-quiet_run=no", "--noquiet_run"]
)
def test_false(word):
    assert values(word) == ({"quiet_run": False}, [])


def test_a_boolean_takes_no_next_word():
    assert values("--quiet_run", "false") == ({"quiet_run": True}, ["false"])


def test_illegal_boolean():
    with pytest.raises(FlagError, match="illegal value 'maybe' specified for bool flag 'quiet_run'"):
        values("--quiet_run=maybe")


@pytest.mark.parametrize("word", ["--noquiet_run=true", "--nomodel"])
def test_no_is_for_booleans_without_a_value(word):
    with pytest.raises(FlagError, match="unknown command line flag 'no"):
        values(word)


def test_the_last_one_wins():
    assert values("--model=a", "--test_count=1", "-model", "b") == ({"test_count": 1, "model": "b"}, [])


def test_words_around_and_behind_the_flags():
    assert values("train", "-model", "a", "-", "--", "--model=b", "--") == (
        {"model": "a"},
        ["train", "-", "--model=b", "--"],
    )


def test_a_value_may_look_like_a_flag():
    assert values("--model", "--test_count") == ({"model": "--test_count"}, [])


def test_a_value_may_contain_an_equals_sign():
    assert values("--model=a=b") == ({"model": "a=b"}, [])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--modle=a", "unknown command line flag 'modle'; did you mean \"model\"?"),
        ("--test-cuont=3", "unknown command line flag 'test-cuont'; did you mean \"test_count\"?"),
        ("--xyz", "unknown command line flag 'xyz'"),
        ("--test_count", "flag '-test_count' is missing its argument; flag description: How many."),
        (
            "--phase=TRIAN",
            "illegal value 'TRIAN' specified for string flag 'phase'; use TRAIN or TEST; did you mean \"TRAIN\"?",
        ),
    ],
)
def test_what_is_refused(word, message):
    with pytest.raises(FlagError) as err:
        values(word)
    assert str(err.value) == message


def test_choices_and_the_default_are_accepted():
    assert values("--phase=TEST")[0] == {"phase": "TEST"}
    assert values("--phase=")[0] == {"phase": ""}


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [(MODEL, "a b", ["--model", "a b"]), (COUNT, -1, ["--test_count", "-1"]), (QUIET, True, ["--quiet_run"])],
)
def test_written(flag, value, words):
    assert flag.written(value) == words
    assert parse(words, KNOWN) == ({flag: value}, [])


def test_a_flag_that_is_off_is_written_with_no():
    assert QUIET.written(False) == ["--noquiet_run"]
