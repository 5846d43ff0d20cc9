import pytest

from caffelite.cli.command_line import FLAGFILE, FROMENV, TRYFROMENV, UNDEFOK, parse
from caffelite.cli.flags import FlagError, boolean, int32, string

MODEL = string("model", "", "The model.")
PHASE = string("phase", "", "The phase.", choices=("TRAIN", "TEST"))
COUNT = int32("test_count", 50, "How many.")
QUIET = boolean("quiet_run", "Say less.")
KNOWN = {flag.name: flag for flag in (MODEL, PHASE, COUNT, QUIET, FLAGFILE, UNDEFOK, FROMENV, TRYFROMENV)}


def values(*words):
    given, positionals, _ = parse(words, KNOWN)
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


@pytest.fixture
def flagfile(tmp_path, monkeypatch):
    """Write files of flags into the working directory: flagfile("text", name="flags")."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="flags"):
        (tmp_path / name).write_text(text)
        return f"--flagfile={name}"

    return write


def notes_of(*words):
    return parse(words, KNOWN).notes


def test_a_flag_file(flagfile):
    word = flagfile("# a comment\n\n  --model=a b.prototxt\n-test-count=3\r\n--quiet_run\n--noquiet_run\n")
    assert values("train", word) == (
        {"flagfile": "flags", "model": "a b.prototxt", "test_count": 3, "quiet_run": False},
        ["train"],
    )
    assert notes_of(word) == []


def test_the_last_one_wins_where_a_flag_file_stands(flagfile):
    word = flagfile("--model=file\n")
    assert values("--model=before", word)[0]["model"] == "file"
    assert values(word, "--model=behind")[0]["model"] == "behind"


def test_several_flag_files_and_one_in_another(flagfile):
    flagfile("--model=inner\n--test_count=1\n", "inner")
    flagfile("--flagfile=inner\n--test_count=2\n", "outer")
    flagfile("--quiet_run\n", "other")
    found = values("--flagfile", "outer,other")[0]
    assert (found["model"], found["test_count"], found["quiet_run"]) == ("inner", 2, True)


def test_lines_for_other_programs(flagfile):
    word = flagfile("--test_count=1\ncaff* other\n--model=a\nother\n--model=b\n--nonsense=1\nconvert_*\n--phase=TEST\n")
    found, _, notes = parse(["convert_imageset", word], KNOWN)
    assert {flag.name: value for flag, value in found.items()} == {
        "flagfile": "flags",
        "test_count": 1,
        "model": "a",
        "phase": "TEST",
    }
    assert notes == []
    assert PHASE not in parse(["train", word], KNOWN).values


def test_a_flag_without_dashes_in_a_file_is_told_of(flagfile):
    word = flagfile("test_count = 3\n--model=a\n")
    assert values(word)[0] == {"flagfile": "flags", "model": "a"}
    assert notes_of(word) == [
        "flags:1: test_count = 3 does nothing, since flags begin with dashes; write --test_count=3"
    ]


def test_an_unknown_flag_in_a_file_is_told_of(flagfile):
    word = flagfile("--modle=a\n--test_count 3\n")
    assert values(word) == ({"flagfile": "flags"}, [])
    assert notes_of(word) == [
        "flags:1: there is no flag 'modle', and the line does nothing; did you mean \"model\"?",
        "flags:2: there is no flag 'test_count 3', and the line does nothing; write --name=value",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--test_count=x", "flags:1: illegal value 'x' specified for int32 flag 'test_count'"),
        ("\n--model", "flags:2: flag '-model' is missing its argument; flag description: The model."),
        ("--flagfile=flags", "flags:1: --flagfile: flags brings in itself"),
        ("--flagfile=none", "flags:1: --flagfile: File not found: none"),
    ],
)
def test_what_is_refused_in_a_flag_file(flagfile, text, message):
    with pytest.raises(FlagError) as err:
        values(flagfile(text))
    assert str(err.value) == message


def test_flags_that_need_not_exist():
    assert values("--undefok=new,other-one", "--new=3", "word", "--other_one", "--nonew") == (
        {"undefok": "new,other-one"},
        ["word"],
    )
    assert values("--new=3", "--undefok", "new")[0] == {"undefok": "new"}
    with pytest.raises(FlagError, match="unknown command line flag 'newer'"):
        values("--newer=3", "--undefok=new")


def test_flags_from_the_environment(monkeypatch):
    monkeypatch.setenv("FLAGS_test_count", "7")
    assert values("--fromenv=test-count")[0]["test_count"] == 7
    assert values("--tryfromenv=test_count,model")[0] == {"tryfromenv": "test_count,model", "test_count": 7}
    with pytest.raises(FlagError, match="--fromenv: FLAGS_model is not in the environment"):
        values("--fromenv=model")
    with pytest.raises(FlagError, match="unknown command line flag 'nonsense'"):
        values("--fromenv=nonsense")


def test_flags_of_glog_that_change_nothing():
    assert parse(["--v=2", "-vmodule", "a=1", "--colorlogtostderr", "--nolog_prefix", "word", "--v"], KNOWN) == (
        {},
        ["word"],
        [
            f"--{name} does nothing: caffelite's log has no such setting"
            for name in ("v", "vmodule", "colorlogtostderr", "nolog_prefix", "v")
        ],
    )


def test_the_commands_take_flag_files(caffelite, folder):
    (folder / "flags").write_text("--model=net.prototxt\n--iterations=1\n--colour=red\n")
    result = caffelite("time", "--flagfile=flags", "--undefok=later", "--later=1")
    assert result.status == 0, result.err
    assert "Testing for 1 iterations." in result.texts
    assert "flags:3: there is no flag 'colour', and the line does nothing" in result.texts
